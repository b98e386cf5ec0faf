import P2PMultiaddr

/// What addresses have in common that a network carries, or does not: an IP family, a transport, and how far it goes.
struct DialRoute: Sendable, Hashable {
    enum Family: Sendable { case ip4, ip6, name }
    enum Carrier: Sendable { case quic, tcp, other }

    let family: Family
    let carrier: Carrier
    /// Loopback, link-local and private addresses.
    let isLocal: Bool

    /// Nil for an address that leads through a relay: it says nothing about the network behind that.
    init?(_ address: Multiaddr) {
        guard !address.isRelayed else { return nil }
        self.family = address.ipAddress.map { $0.isIPv6 ? .ip6 : .ip4 } ?? .name
        self.carrier = Carrier(address)
        self.isLocal = address.isLoopback || address.isPrivate || address.isLinkLocal
    }
}

extension DialRoute.Carrier {
    init(_ address: Multiaddr) {
        if address.udpEndpoint != nil, address.contains(.quicV1) || address.contains(.quic) {
            self = .quic
        } else {
            self = address.tcpEndpoint != nil ? .tcp : .other
        }
    }
}
