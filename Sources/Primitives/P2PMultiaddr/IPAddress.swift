/// An IPv4 or IPv6 address, without zone or port.
///
/// An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) stays IPv6, but the questions about reach answer for the IPv4 address inside it.
public struct IPAddress: Hashable, Sendable {
    private enum Storage: Hashable {
        case v4(UInt32)
        case v6(high: UInt64, low: UInt64)
    }

    private let storage: Storage

    /// An IPv4 address as a number; 127.0.0.1 is 0x7f000001.
    public init(v4 number: UInt32) {
        self.storage = .v4(number)
    }

    /// An IPv6 address as its two halves.
    public init(v6 high: UInt64, _ low: UInt64) {
        self.storage = .v6(high: high, low: low)
    }

    /// An address in network byte order: 4 bytes for IPv4, 16 for IPv6, nil for any other count.
    @inlinable public init?(bytes: some Collection<UInt8>) {
        let count = bytes.count
        guard count == 4 || count == 16 else { return nil }
        var (high, low): (UInt64, UInt64) = (0, 0)
        for byte in bytes {
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(byte)
        }
        if count == 4 { self.init(v4: UInt32(low)) } else { self.init(v6: high, low) }
    }

    /// 127.0.0.1.
    public static let loopbackV4 = IPAddress(v4: 0x7f00_0001)
    /// ::1.
    public static let loopbackV6 = IPAddress(v6: 0, 1)
    /// 0.0.0.0: every interface.
    public static let unspecifiedV4 = IPAddress(v4: 0)
    /// ::, every interface.
    public static let unspecifiedV6 = IPAddress(v6: 0, 0)

    /// The address in network byte order: 4 bytes or 16.
    public var bytes: [UInt8] {
        switch self.storage {
        case .v4(let number): (1...4).map { UInt8(truncatingIfNeeded: number >> UInt32(32 - 8 * $0)) }
        case .v6(let high, let low):
            (1...8).map { UInt8(truncatingIfNeeded: high >> UInt64(64 - 8 * $0)) }
                + (1...8).map { UInt8(truncatingIfNeeded: low >> UInt64(64 - 8 * $0)) }
        }
    }

    /// Whether this is an IPv4 address.
    public var isIPv4: Bool {
        if case .v4 = self.storage { true } else { false }
    }

    /// Whether this is an IPv6 address, IPv4-mapped or not.
    public var isIPv6: Bool { !self.isIPv4 }

    /// The IPv4 address inside an IPv4-mapped IPv6 address; any other address as it is.
    public var unmapped: IPAddress { self.embeddedV4.map { IPAddress(v4: $0) } ?? self }

    /// The same address with its first bits only.
    ///
    /// - Parameter length: how many bits are kept, at most as many as there are.
    package func masked(to length: Int) -> IPAddress {
        switch self.storage {
        case .v4(let number): IPAddress(v4: number & ~(UInt32.max >> length))
        case .v6(let high, let low): IPAddress(v6: high & ~(UInt64.max >> length), low & ~(UInt64.max >> max(0, length - 64)))
        }
    }

    /// The eight groups of an IPv6 address; nil for IPv4.
    var groups: [UInt16]? {
        guard case .v6(let high, let low) = self.storage else { return nil }
        return [high, low].flatMap { half in
            [48, 32, 16, 0].map { (shift: UInt64) in UInt16(truncatingIfNeeded: half >> shift) }
        }
    }

    /// The two halves of an IPv6 address; those of the mapped address for IPv4.
    var halves: (high: UInt64, low: UInt64) {
        switch self.storage {
        case .v4(let number): (0, 0xffff_0000_0000 | UInt64(number))
        case .v6(let high, let low): (high, low)
        }
    }

    /// The IPv4 address, or the one inside an IPv4-mapped IPv6 address, as a number.
    var embeddedV4: UInt32? {
        switch self.storage {
        case .v4(let number): number
        case .v6(0, let low) where low >> 32 == 0xffff: UInt32(truncatingIfNeeded: low)
        case .v6: nil
        }
    }
}

extension IPAddress {
    /// Whether packets stay on this machine: 127.0.0.0/8, ::1.
    public var isLoopback: Bool {
        if let v4 = self.embeddedV4 { return v4 >> 24 == 127 }
        return self == .loopbackV6
    }

    /// Whether this means "every interface": 0.0.0.0, ::.
    public var isUnspecified: Bool {
        if let v4 = self.embeddedV4 { return v4 == 0 }
        return self == .unspecifiedV6
    }

    /// Whether packets stay on the link: 169.254.0.0/16, fe80::/10.
    public var isLinkLocal: Bool {
        if let v4 = self.embeddedV4 { return v4 >> 16 == 0xa9fe }
        guard case .v6(let high, _) = self.storage else { return false }
        return high >> 54 == 0xfe80 >> 6
    }

    /// Whether this belongs to a private network: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918), 100.64.0.0/10 (RFC 6598),
    /// fc00::/7 (RFC 4193).
    public var isPrivate: Bool {
        if let v4 = self.embeddedV4 {
            return v4 >> 24 == 10 || v4 >> 20 == 0xac1 || v4 >> 16 == 0xc0a8 || v4 >> 22 == 0x6440 >> 6
        }
        guard case .v6(let high, _) = self.storage else { return false }
        return high >> 57 == 0xfc >> 1
    }

    /// Whether this names a group: 224.0.0.0/4, ff00::/8.
    public var isMulticast: Bool {
        if let v4 = self.embeddedV4 { return v4 >> 28 == 0xe }
        guard case .v6(let high, _) = self.storage else { return false }
        return high >> 56 == 0xff
    }

    /// Whether the whole internet might reach it: not one of the above, nor reserved (0.0.0.0/8, 240.0.0.0/4, for documentation and
    /// benchmarks), nor one of those wrapped in another.
    public var isPublic: Bool { self.reach == .internet }
}
