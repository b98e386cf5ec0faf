/// A range of IP addresses that have their first bits in common, such as `10.0.0.0/8` or `2001:db8::/32`; one address is a range, too.
public struct IPNetwork: Hashable, Sendable {
    /// The first address of the range.
    public let address: IPAddress
    /// How many bits its addresses have in common.
    public let prefixLength: Int

    /// The range in which `address` is; bits behind the prefix are dropped.
    ///
    /// - Parameter prefixLength: 0 to 32 for IPv4, to 128 for IPv6; nil for the address alone. Any other is cut to that.
    public init(_ address: IPAddress, prefixLength: Int? = nil) {
        let address = address.unmapped
        let bits = address.isIPv4 ? 32 : 128
        self.prefixLength = min(max(prefixLength ?? bits, 0), bits)
        self.address = address.masked(to: self.prefixLength)
    }

    /// Whether the address is one of the range. An IPv4-mapped IPv6 address counts as the IPv4 address inside it.
    public func contains(_ address: IPAddress) -> Bool {
        let address = address.unmapped
        return address.isIPv4 == self.address.isIPv4 && address.masked(to: self.prefixLength) == self.address
    }
}

extension IPNetwork: LosslessStringConvertible {
    /// Reads an address, or an address with the length of a prefix behind a slash; nil for all else.
    public init?(_ description: String) {
        let parts = description.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = parts.first.flatMap({ IPAddress(String($0)) }) else { return nil }
        guard parts.count == 2 else {
            self.init(address)
            return
        }
        guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(parts[1]),
            length <= (address.isIPv4 ? 32 : 128)
        else { return nil }
        // Of a mapped address, the prefix counts the bits before the IPv4 address as well.
        if address.isIPv6, address.unmapped.isIPv4 {
            guard length >= 96 else { return nil }
            self.init(address, prefixLength: length - 96)
        } else {
            self.init(address, prefixLength: length)
        }
    }

    /// The first address and the length of the prefix; an address alone without a length.
    public var description: String {
        self.prefixLength == (self.address.isIPv4 ? 32 : 128) ? "\(self.address)" : "\(self.address)/\(self.prefixLength)"
    }
}

extension [IPNetwork] {
    /// Whether one of the ranges has the address in it.
    public func contain(_ address: IPAddress) -> Bool { self.contains { $0.contains(address) } }

    /// Whether one of the ranges has the IP address in it with which a multiaddr begins; false for one that begins otherwise.
    package func contain(_ address: Multiaddr) -> Bool {
        guard !self.isEmpty, let ip = address.ipAddress else { return false }
        return self.contain(ip)
    }
}
