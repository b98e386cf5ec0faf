public import P2PCore
import P2PIdentity

/// Peers that a node has been connected to before, as its peerstore remembers them: after a restart they are found again without any help.
public struct KnownPeersDiscovery: Discovery {
    /// Peers that are reported; those beyond, connected longer ago, have to be found otherwise.
    public static let limit = 128
    /// For how long they are worth a dial.
    private static let timeToLive = Duration.seconds(10 * 60)

    private let peerstore: any Peerstore

    /// - Parameter peerstore: is asked once, at the start, and again after a sleep of the host.
    public init(_ peerstore: any Peerstore) {
        self.peerstore = peerstore
    }

    /// Reports whom the peerstore remembers, the one that was connected last first, then waits to be cancelled; announces nothing.
    public func run(on host: any HostAccess) async throws {
        var met: [(peer: PeerID, seen: Int64)] = []
        for peer in await self.peerstore.peers() {
            // Whoever was merely heard of may never have existed.
            if let seen = await self.peerstore.lastSeen(of: peer) { met.append((peer, seen)) }
        }
        // Sorting is stable: of those that were seen in the same second, the one that was touched last comes first.
        for (peer, _) in met.sorted(by: { $0.seen > $1.seen }).prefix(Self.limit) {
            var known = DiscoveredPeer(peer: peer, addresses: await self.peerstore.addresses(of: peer), timeToLive: Self.timeToLive)
            known.isRemembered = true
            await host.discovered(known)
        }
        while !Task.isCancelled { await host.clock.sleep(for: .seconds(3_600)) }
    }
}
