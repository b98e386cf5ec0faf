package import NIOCore
package import P2PMultiaddr

extension SocketAddress {
    /// Where the kernel's structures keep what we read, in bytes; the same on Linux and Darwin.
    private enum Offset {
        static let v4Address = 4..<8
        static let v6Address = 8..<24
        static let v6Scope = 24..<28
    }

    /// The IP address of an internet socket; nil for other kinds.
    package var ip: IPAddress? {
        switch self {
        case .v4(let v4): withUnsafeBytes(of: v4.address) { IPAddress(bytes: $0[Offset.v4Address]) }
        case .v6(let v6): withUnsafeBytes(of: v6.address) { IPAddress(bytes: $0[Offset.v6Address]) }
        case .unixDomainSocket: nil
        }
    }

    /// The interface of a link-local IPv6 address; 0 for all others.
    package var scope: UInt32 {
        guard case .v6(let v6) = self else { return 0 }
        return withUnsafeBytes(of: v6.address) { $0.loadUnaligned(fromByteOffset: Offset.v6Scope.lowerBound, as: UInt32.self) }
    }

    /// The same IPv6 address on one interface.
    package func scoped(to interface: UInt32) -> SocketAddress {
        guard case .v6(let v6) = self else { return self }
        var raw = v6.address
        withUnsafeMutableBytes(of: &raw) { $0.storeBytes(of: interface, toByteOffset: Offset.v6Scope.lowerBound, as: UInt32.self) }
        return SocketAddress(raw, host: v6.host)
    }
}

extension Multiaddr {
    /// The address of a TCP socket; nil for other kinds of sockets. An interface's scope id is kept as `/ip6zone`.
    package init?(tcp address: SocketAddress?) {
        guard let address, let ip = address.ip, let port = address.port.flatMap(UInt16.init(exactly:)) else { return nil }
        self = Multiaddr(ip: ip, tcp: port).zoned(to: address.scope)
    }

    /// The same address with an interface's scope id before it as `/ip6zone`, unless that is 0.
    package func zoned(to scope: UInt32) -> Multiaddr {
        guard scope != 0, let zone = try? MultiaddrComponent(.ip6zone, text: String(scope)) else { return self }
        return (try? Multiaddr([zone] + self.components)) ?? self
    }
}
