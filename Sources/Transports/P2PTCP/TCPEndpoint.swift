import NIOCore
import P2PCore
import P2PMultiaddr
import P2PNames

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The host and port of an address that is plain TCP and nothing more.
struct TCPEndpoint {
    let host: MultiaddrEndpoint.Host
    let port: UInt16
    private let address: Multiaddr

    init?(_ address: Multiaddr) {
        guard let endpoint = address.tcpEndpoint, endpoint.remainder.allSatisfy({ $0.protocol == .p2p }), endpoint.remainder.count <= 1
        else { return nil }
        self.host = endpoint.host
        self.port = endpoint.port
        self.address = address
    }

    /// The socket addresses: one for an IP address, what the resolver says for a name.
    ///
    /// - Parameter mayReach: which of a name's addresses are wanted; nil for all.
    func resolved(
        by resolver: NameResolver, deadline: NIODeadline,
        where mayReach: (@Sendable (IPAddress) async throws(TransportError) -> Void)? = nil
    ) async throws(TransportError) -> [SocketAddress] {
        switch self.host {
        case .ip(let ip, let zone): [try self.socketAddress(ip, zone: zone)]
        case .name(let name, let family):
            try await resolver.addresses(of: name, port: self.port, family: family, deadline: deadline, where: mayReach)
        }
    }

    /// The socket address of an IP address; nil for a name.
    func socketAddress() throws(TransportError) -> SocketAddress? {
        guard case .ip(let ip, let zone) = self.host else { return nil }
        return try self.socketAddress(ip, zone: zone)
    }

    private func socketAddress(_ ip: IPAddress, zone: String?) throws(TransportError) -> SocketAddress {
        do {
            let address = try SocketAddress(packedIPAddress: ByteBuffer(bytes: ip.bytes), port: Int(self.port))
            guard let zone, ip.isIPv6 else { return address }
            let scope = UInt32(zone) ?? if_nametoindex(zone)
            guard scope != 0 else {
                throw TransportError(.invalidAddress, "\(self.address): there is no interface named \(zone)")
            }
            return address.scoped(to: scope)
        } catch let error as TransportError {
            throw error
        } catch {
            throw TransportError(.invalidAddress, "\(self.address) is not a socket address", cause: error)
        }
    }
}
