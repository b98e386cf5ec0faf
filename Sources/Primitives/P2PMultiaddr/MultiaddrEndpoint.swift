import P2PMultiformats

/// The beginning of an address that a socket can use: a host, a port, and what stands behind them.
public struct MultiaddrEndpoint: Hashable, Sendable {
    /// Where to connect or listen.
    public enum Host: Hashable, Sendable {
        /// An IP address; the zone names the interface of a link-local IPv6 address (`/ip6zone`).
        case ip(IPAddress, zone: String?)
        /// A domain name (`/dns`, `/dns4`, `/dns6`) and the addresses that are asked for.
        case name(String, NameFamily)
    }

    /// Which of a name's addresses are meant.
    public enum NameFamily: Hashable, Sendable {
        /// All of them (`/dns`).
        case any
        /// The IPv4 ones (`/dns4`).
        case ip4
        /// The IPv6 ones (`/dns6`).
        case ip6
    }

    /// Where to connect or listen.
    public let host: Host
    /// The transport's port.
    public let port: UInt16
    /// The components after the port, such as `/ws` or `/p2p/…`.
    public let remainder: [MultiaddrComponent]
}

extension Multiaddr {
    /// The TCP endpoint this address begins with, if it begins with one.
    public var tcpEndpoint: MultiaddrEndpoint? { self.endpoint(over: .tcp) }

    /// The UDP endpoint this address begins with, if it begins with one.
    public var udpEndpoint: MultiaddrEndpoint? { self.endpoint(over: .udp) }

    private func endpoint(over transport: MultiaddrProtocol) -> MultiaddrEndpoint? {
        var heads = self.heads
        guard var first = heads.next() else { return nil }
        var zone: String?
        if first.protocol == .ip6zone {
            guard let address = heads.next(), address.protocol == .ip6 else { return nil }
            zone = self.component(first).name
            first = address
        }
        guard let second = heads.next(), second.protocol == transport else { return nil }
        let port = self.bytes[second.value].reduce(0) { $0 << 8 | UInt16($1) }
        let host: MultiaddrEndpoint.Host
        switch first.protocol {
        case .ip4, .ip6:
            guard let address = IPAddress(bytes: self.bytes[first.value]) else { return nil }
            host = .ip(address, zone: zone)
        case .dns: host = .name(self.component(first).text, .any)
        case .dns4: host = .name(self.component(first).text, .ip4)
        case .dns6: host = .name(self.component(first).text, .ip6)
        default: return nil
        }
        return MultiaddrEndpoint(host: host, port: port, remainder: heads.map { self.component($0) })
    }

    /// The codes that are looked for in the binary form, without decoding it: each is a varint of one byte.
    static let zoneCode: UInt8 = 42
    private static let ip4Code: UInt8 = 4
    private static let ip6Code: UInt8 = 41

    /// The IP address this address begins with, an `/ip6zone` before it aside; of a relayed address, the relay's.
    public var ipAddress: IPAddress? {
        var rest = self.bytes[...]
        if rest.first == Self.zoneCode {
            rest = rest.dropFirst()
            guard let (length, size) = try? UnsignedVarint.decode(rest) else { return nil }
            rest = rest.dropFirst(size).dropFirst(Int(clamping: length))
        }
        switch rest.first {
        case Self.ip4Code: return IPAddress(bytes: rest.dropFirst().prefix(4))
        case Self.ip6Code: return IPAddress(bytes: rest.dropFirst().prefix(16))
        default: return nil
        }
    }

    /// Whether it begins with a loopback address.
    public var isLoopback: Bool { self.ipAddress?.isLoopback ?? false }

    /// Whether it begins with an address of a private network.
    public var isPrivate: Bool { self.ipAddress?.isPrivate ?? false }

    /// Whether it begins with 0.0.0.0 or ::, which stand for every interface.
    public var isUnspecified: Bool { self.ipAddress?.isUnspecified ?? false }

    /// Whether it begins with a link-local address.
    public var isLinkLocal: Bool { self.ipAddress?.isLinkLocal ?? false }

    /// Whether it begins with an IP address that the whole internet might reach.
    public var isPublic: Bool { self.ipAddress?.isPublic ?? false }
}
