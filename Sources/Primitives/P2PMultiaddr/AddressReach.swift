/// From where an address means the same host: what may be made of it depends on where one was told of it.
public enum AddressReach: Hashable, Sendable {
    /// The machine itself: loopback, `/memory`, `/unix`, the name `localhost`.
    case host
    /// One link, together with the zone that names it: fe80::/10.
    case link
    /// One network among many that use the same range: RFC 1918, RFC 6598, RFC 4193, 169.254.0.0/16, and what is set aside for
    /// documentation, benchmarks and later use. Two such addresses may mean the same network only if they share the range.
    case network(IPNetwork)
    /// Everywhere.
    case internet
    /// No host: unspecified, multicast, broadcast, 0.0.0.0/8, and addresses that only wrap one which is not the internet's.
    case nowhere
}

extension IPAddress {
    /// From where it means the same host. What wraps an IPv4 address (IPv4-mapped; RFC 6052, "NAT64"; RFC 3056, "6to4") is judged by that.
    public var reach: AddressReach {
        if let v4 = self.embeddedV4 { return Self.reach(ofV4: v4) }
        let (high, low) = self.halves
        if self == .loopbackV6 { return .host }
        if high >> 56 == 0xff || high == 0 { return .nowhere }
        if high >> 54 == 0xfe80 >> 6 { return .link }
        if high == 0x0064_ff9b_0000_0000, low >> 32 == 0 { return Self.wrapping(UInt32(truncatingIfNeeded: low)) }
        if high >> 48 == 0x2002 { return Self.wrapping(UInt32(truncatingIfNeeded: high >> 16)) }
        if high >> 57 == 0xfc >> 1 || high >> 54 == 0xfec0 >> 6 || high >> 16 == 0x0064_ff9b_0001 {
            return .network(IPNetwork(IPAddress(v6: high & ~0xffff, 0), prefixLength: 48))
        }
        if high >> 32 == 0x2001_0db8 { return .network(IPNetwork(IPAddress(v6: 0x2001_0db8_0000_0000, 0), prefixLength: 32)) }
        if high >> 44 == 0x3fff0 { return .network(IPNetwork(IPAddress(v6: 0x3fff_0000_0000_0000, 0), prefixLength: 20)) }
        if high >> 61 == 0x1 { return .internet }
        return .network(IPNetwork(IPAddress(v6: high & (0x7f << 57), 0), prefixLength: 7))
    }

    /// The ranges of IPv4 that are neither the internet's nor this machine's: first address and length.
    private static let networksV4: [(first: UInt32, length: UInt32)] = [
        (0x0a00_0000, 8), (0xac10_0000, 12), (0xc0a8_0000, 16), (0x6440_0000, 10), (0xa9fe_0000, 16),
        (0xc000_0000, 24), (0xc000_0200, 24), (0xc633_6400, 24), (0xcb00_7100, 24), (0xc612_0000, 15), (0xf000_0000, 4),
    ]

    private static func reach(ofV4 number: UInt32) -> AddressReach {
        if number >> 24 == 127 { return .host }
        if number >> 24 == 0 || number >> 28 == 0xe || number == .max { return .nowhere }
        for range in Self.networksV4 where (number ^ range.first) >> (32 - range.length) == 0 {
            return .network(IPNetwork(IPAddress(v4: range.first), prefixLength: Int(range.length)))
        }
        return .internet
    }

    /// A translator or a relay stands between: only the internet is on its other side for everybody.
    private static func wrapping(_ v4: UInt32) -> AddressReach {
        Self.reach(ofV4: v4) == .internet ? .internet : .nowhere
    }
}

extension Multiaddr {
    /// From where the address means the same host, as its first step says; of a relayed address, the relay. Nil for a name, which says
    /// nothing before it is resolved, and for what names no host at all, such as `/p2p/…` alone.
    public var reach: AddressReach? {
        if let ip = self.ipAddress { return ip.reach }
        guard let first = self.components.first else { return nil }
        switch first.protocol {
        case .memory, .unix: return .host
        case .dns, .dns4, .dns6, .dnsaddr: return Self.isLocalhost(first.text) ? .host : nil
        default: return nil
        }
    }

    /// `localhost` and what is below it (RFC 6761, section 6.3), with or without a dot at the end.
    private static func isLocalhost(_ name: String) -> Bool {
        let name = name.lowercased()
        let bare = name.hasSuffix(".") ? name.dropLast() : name[...]
        return bare == "localhost" || bare.hasSuffix(".localhost")
    }

    /// The interface that the address names before its IP address (`/ip6zone`), by name or number.
    public var zone: String? {
        guard self.bytes.first == Self.zoneCode else { return nil }
        return self.components.first?.name
    }

    /// The address without the interface that it names, which means something on one machine alone.
    public var withoutZone: Multiaddr {
        guard self.bytes.first == Self.zoneCode else { return self }
        return (try? Multiaddr(self.components.dropFirst())) ?? .empty
    }

    /// The address on an interface of this machine, in the place of the one that it names.
    ///
    /// - Returns: nil when the zone is no name, or there is no room for it.
    public func withZone(_ zone: String) -> Multiaddr? {
        guard let component = try? MultiaddrComponent(.ip6zone, text: zone) else { return nil }
        return try? Multiaddr([component] + self.withoutZone.components)
    }
}
