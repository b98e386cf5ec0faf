import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr

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

    /// The socket addresses: one for an IP address, what the system's resolver says for a name.
    func resolved() async throws(TransportError) -> [SocketAddress] {
        switch self.host {
        case .ip(let ip, let zone):
            return [try self.socketAddress(ip, zone: zone)]
        case .name(let name, let family):
            let port = self.port
            let result: Result<[SocketAddress], TransportError>
            do {
                result = try await NIOThreadPool.singleton.runIfActive { Self.lookUp(name, port: port, family: family) }
            } catch {
                result = .failure(TransportError(.unresolvable, "no thread to resolve \(name) on", cause: error))
            }
            return try result.get()
        }
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
            throw TransportError(.invalidAddress, "\(self.address) is no socket address", cause: error)
        }
    }

    /// Asks the system's resolver. Blocks.
    private static func lookUp(_ name: String, port: UInt16, family: MultiaddrEndpoint.NameFamily) -> Result<
        [SocketAddress], TransportError
    > {
        var hints = addrinfo()
        hints.ai_family =
            switch family {
            case .any: AF_UNSPEC
            case .ip4: AF_INET
            case .ip6: AF_INET6
            }
        #if canImport(Glibc)
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = SOCK_STREAM
        #endif
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(name, String(port), &hints, &first)
        guard status == 0 else {
            return .failure(TransportError(.unresolvable, "\(name) does not resolve: \(String(cString: gai_strerror(status)))"))
        }
        defer { freeaddrinfo(first) }
        var addresses: [SocketAddress] = []
        var entry = first
        while let info = entry?.pointee {
            if let raw = info.ai_addr {
                switch info.ai_family {
                case AF_INET:
                    raw.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { addresses.append(SocketAddress($0.pointee, host: name)) }
                case AF_INET6:
                    raw.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { addresses.append(SocketAddress($0.pointee, host: name)) }
                default: break
                }
            }
            entry = info.ai_next
        }
        return addresses.isEmpty
            ? .failure(TransportError(.unresolvable, "\(name) has no address of the kind asked for")) : .success(addresses)
    }
}
