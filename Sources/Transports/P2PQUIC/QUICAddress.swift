import P2PCore
import P2PMultiaddr

/// The IP address and port of an address that is QUIC v1 and nothing more: `/ip4|ip6/…/udp/…/quic-v1`.
struct QUICAddress {
    let ip: IPAddress
    let zone: String?
    let port: UInt16

    init?(_ address: Multiaddr) {
        guard let endpoint = address.udpEndpoint, case .ip(let ip, let zone) = endpoint.host, endpoint.remainder.first?.protocol == .quicV1
        else { return nil }
        let rest = endpoint.remainder.dropFirst()
        guard rest.count <= 1, rest.allSatisfy({ $0.protocol == .p2p }) else { return nil }
        self.ip = ip
        self.zone = zone
        self.port = endpoint.port
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
