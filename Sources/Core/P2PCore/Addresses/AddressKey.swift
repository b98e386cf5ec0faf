package import P2PMultiaddr

/// What counts as one address for the limits, and as one observer: an IPv4 address, or an IPv6 network of 64 bits, which is what one
/// household or server gets. Loopback, names and memory addresses are not counted.
package struct AddressKey: Hashable, Sendable {
    private let prefix: IPAddress

    package init?(_ address: Multiaddr) {
        guard let ip = address.ipAddress?.unmapped, !ip.isLoopback else { return nil }
        self.prefix = ip.masked(to: ip.isIPv4 ? 32 : 64)
    }
}

/// What counts as one network when places run out: an IPv4 /24 or an IPv6 /48, the smallest ranges that are routed and sold.
///
/// A shorter prefix would make strangers pay for each other: a carrier's /16 is a town. A longer one would let one customer be many: whoever
/// rents a /48 has 65,536 of the networks that count as one address.
package struct NetworkKey: Hashable, Sendable {
    /// Nil for loopback, names and memory addresses, which are one network.
    private let prefix: IPAddress?

    package init(_ address: Multiaddr) { self.init(address.ipAddress) }

    /// - Parameter ip: nil for what has none.
    package init(_ ip: IPAddress?) {
        guard let ip = ip?.unmapped, !ip.isLoopback else {
            self.prefix = nil
            return
        }
        self.prefix = ip.masked(to: ip.isIPv4 ? 24 : 48)
    }
}
