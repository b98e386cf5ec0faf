import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// Which addresses the two tell each other, and which of those that were told are dialled. A stranger tells them, so they may be anybody's.
package struct PunchAddresses {
    /// Addresses that are told.
    package static let limit = 16
    /// Addresses that are dialled for one peer.
    static let dialLimit = 4
    /// Addresses of one host that are dialled over one transport: those of a NAT that has two ports for the peer.
    static let perHost = 2
    /// Hosts that are dialled for one peer.
    package static let hostLimit = 4
    private static let privileged: ClosedRange<UInt16> = 0...1_023
    /// Below 1,024 only servers of the web are dialled.
    private static let webPorts: Set<UInt16> = [80, 443]

    /// What this side tells: public addresses of transports that a punch can use, each once.
    static func told(_ own: [Multiaddr]) -> [Multiaddr] {
        var told: [Multiaddr] = []
        for address in own.map(\.withoutPeerID) where told.count < Self.limit && !told.contains(address) {
            if PunchTransport(address) != nil, address.ipAddress?.reach == .internet { told.append(address) }
        }
        return told
    }

    /// What of a peer's addresses is dialled.
    ///
    /// Every transport of every host comes before a second address of one.
    ///
    /// - Parameter own: this side's addresses, which lead nowhere else.
    package static func dialled(_ told: [Multiaddr], of peer: PeerID, except own: [Multiaddr]) -> [Multiaddr] {
        var dialled: [Multiaddr] = []
        var hosts: Set<IPAddress> = []
        var counts: [Way: Int] = [:]
        for round in 1...Self.perHost {
            for address in told {
                guard dialled.count < Self.dialLimit, address.peerID == nil || address.peerID == peer else { continue }
                let bare = address.withoutPeerID
                guard !dialled.contains(bare), !own.contains(bare), let transport = PunchTransport(bare), let ip = bare.ipAddress,
                    ip.reach == .internet, let port = (bare.tcpEndpoint ?? bare.udpEndpoint)?.port,
                    !Self.privileged.contains(port) || Self.webPorts.contains(port),
                    hosts.contains(ip) || hosts.count < Self.hostLimit
                else { continue }
                let way = Way(ip: ip, transport: transport)
                guard counts[way, default: 0] < round else { continue }
                counts[way, default: 0] += 1
                hosts.insert(ip)
                dialled.append(bare)
            }
        }
        return dialled
    }

    /// Those of the addresses at which nobody else is.
    ///
    /// - Parameters:
    ///   - taken: where other peers are connected from.
    ///   - expected: whose packets other punches wait for there.
    static func free(_ told: [Multiaddr], for peer: PeerID, taken: Set<Multiaddr>, expected: [Multiaddr: PeerID]) -> [Multiaddr] {
        told.filter { !taken.contains($0) && expected[$0, default: peer] == peer }
    }

    private struct Way: Hashable {
        let ip: IPAddress
        let transport: PunchTransport
    }
}

/// What a punch can use.
public enum PunchTransport: String, Sendable, Hashable {
    /// Both connect at once.
    case tcp
    /// Both send a first packet at once.
    case quic = "quic-v1"

    /// The transport of an address; nil for what is neither, nothing but it, or behind a name or a relay.
    init?(_ address: Multiaddr) {
        guard address.zone == nil, address.ipAddress != nil else { return nil }
        if let rest = address.tcpEndpoint?.remainder {
            guard rest.isEmpty else { return nil }
            self = .tcp
        } else if let rest = address.udpEndpoint?.remainder {
            guard rest.map(\.protocol) == [.quicV1] else { return nil }
            self = .quic
        } else {
            return nil
        }
    }
}
