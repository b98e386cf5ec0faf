import P2PCore
import P2PMultiaddr

/// The host and port of an address that is QUIC v1 and nothing more: `/ip4|ip6|dns|dns4|dns6/…/udp/…/quic-v1`.
struct QUICAddress {
    let host: MultiaddrEndpoint.Host
    let port: UInt16

    init?(_ address: Multiaddr) {
        guard let endpoint = address.udpEndpoint, endpoint.remainder.first?.protocol == .quicV1
        else { return nil }
        let rest = endpoint.remainder.dropFirst()
        guard rest.count <= 1, rest.allSatisfy({ $0.protocol == .p2p }) else { return nil }
        self.host = endpoint.host
        self.port = endpoint.port
    }

    /// Whether it needs no resolver.
    var isNumeric: Bool {
        if case .ip = self.host { true } else { false }
    }
}

extension Multiaddr {
    /// `/ip4|ip6/…/udp/…/quic-v1`, with the interface of a link-local address before it.
    init(ip: IPAddress, quic port: UInt16, scope: UInt32 = 0) {
        let plain = Multiaddr(ip: ip, udp: port)
        let quic = (try? plain.appending(MultiaddrComponent(.quicV1))) ?? plain
        self = quic.zoned(to: scope)
    }
}
