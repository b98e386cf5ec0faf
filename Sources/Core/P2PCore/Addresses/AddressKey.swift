package import P2PMultiaddr

/// What counts as one address for the limits, and as one observer: an IPv4 address, or an IPv6 network of 64 bits, which is what one
/// household or server gets. Loopback, names and memory addresses are not counted.
package struct AddressKey: Hashable, Sendable {
    private let prefix: UInt64
    private let isIPv4: Bool

    package init?(_ address: Multiaddr) {
        guard let ip = address.ipAddress, !ip.isLoopback else { return nil }
        self.prefix = ip.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        self.isIPv4 = ip.isIPv4
    }
}
