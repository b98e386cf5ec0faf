package import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Asks the system's resolver for the addresses of a name.
package enum SystemLookup {
    /// Why a name has no address that can be used.
    package struct Failure: Error, CustomStringConvertible {
        /// As a sentence with the name.
        package let description: String
    }

    /// The addresses in the system's order; never none. Blocks, and can't be called off: not for an event loop.
    ///
    /// - Parameter family: what they are to be; nil for both.
    package static func addresses(
        of name: String, port: UInt16, family: NIOBSDSocket.AddressFamily?
    ) -> Result<[SocketAddress], Failure> {
        var hints = addrinfo()
        hints.ai_family = family?.rawValue ?? AF_UNSPEC
        #if canImport(Glibc)
            hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = SOCK_STREAM
        #endif
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(name, String(port), &hints, &first)
        guard status == 0 else {
            return .failure(Failure(description: "\(name) does not resolve: \(String(cString: gai_strerror(status)))"))
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
        return addresses.isEmpty ? .failure(Failure(description: "\(name) has no address of the kind asked for")) : .success(addresses)
    }
}
