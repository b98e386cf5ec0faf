import P2PMultiaddr

/// What counts as one address for the limits: an IPv4 address, or an IPv6 network of 64 bits, which is what one
/// household or server gets. Loopback, names and memory addresses are not counted.
struct AddressKey: Hashable {
    private let prefix: UInt64
    private let isIPv4: Bool

    init?(_ address: Multiaddr) {
        guard let ip = address.ipAddress, !ip.isLoopback else { return nil }
        self.prefix = ip.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        self.isIPv4 = ip.isIPv4
    }
}
