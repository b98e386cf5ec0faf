public import P2PCore
import P2PIdentity
public import P2PMultiaddr

/// Peers whose addresses are known beforehand: the way into a network.
///
/// They are reported at the start and again while it runs, so that a host which gave one up tries it anew.
public struct BootstrapDiscovery: Discovery {
    /// Addresses that a list may have.
    public static let addressLimit = 256

    /// Whom it reports, in the order of the list.
    public let peers: [DiscoveredPeer]

    private let interval: Duration

    /// - Parameters:
    ///   - addresses: each with `/p2p`; several of one peer become one.
    ///   - interval: how often the peers are reported.
    /// - Throws: ``TransportError/Code/invalidAddress`` for an address without a peer, ``TransportError/Code/resourceLimit`` for too many.
    public init(_ addresses: [Multiaddr], interval: Duration = .seconds(60)) throws(TransportError) {
        guard addresses.count <= Self.addressLimit else {
            throw TransportError(
                .resourceLimit, "\(addresses.count) bootstrap addresses are beyond the limit of \(Self.addressLimit) (addressLimit)")
        }
        var order: [PeerID] = []
        var known: [PeerID: [Multiaddr]] = [:]
        for address in addresses {
            guard let peer = address.peerID else {
                throw TransportError(.invalidAddress, "the bootstrap address \(address) names no peer: add /p2p/ and its id")
            }
            if known[peer] == nil { order.append(peer) }
            known[peer, default: []].append(address.withoutPeerID)
        }
        self.interval = interval
        self.peers = order.map { DiscoveredPeer(peer: $0, addresses: known[$0] ?? [], timeToLive: interval * 2) }
    }

    /// Reports the peers until cancelled; announces nothing.
    public func run(on host: any HostAccess) async throws {
        while !Task.isCancelled {
            for peer in self.peers { await host.discovered(peer) }
            await host.clock.sleep(for: self.interval)
        }
    }
}
