import NIOCore
package import P2PCore
package import P2PMultiaddr

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Why an address can't be bound, as transports tell it: what the system says, and what it says about the family.
package struct BindFailure {
    /// What can be asked about this host.
    package struct Host: Sendable {
        /// Whether any interface has an address of that family; nil when nobody knows.
        var hasAddress: @Sendable (_ isIPv6: Bool) -> Bool?
        /// Whether this process may make sockets of that family.
        var allowsSockets: @Sendable (_ isIPv6: Bool) -> Bool

        package init(
            hasAddress: @escaping @Sendable (_ isIPv6: Bool) -> Bool?, allowsSockets: @escaping @Sendable (_ isIPv6: Bool) -> Bool
        ) {
            self.hasAddress = hasAddress
            self.allowsSockets = allowsSockets
        }

        /// This one.
        package static let system = Host(
            hasAddress: { isIPv6 in
                let family: NIOBSDSocket.ProtocolFamily = isIPv6 ? .inet6 : .inet
                return NetworkInterfaces.devices().map { devices in devices.contains { $0.address?.protocol == family } }
            },
            allowsSockets: { isIPv6 in
                #if canImport(Glibc)
                    let type = CInt(SOCK_DGRAM.rawValue)
                #else
                    let type = SOCK_DGRAM
                #endif
                let descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, type, 0)
                guard descriptor >= 0 else { return false }
                close(descriptor)
                return true
            })
    }

    private let address: Multiaddr
    private let ip: IPAddress
    private let host: Host

    /// - Parameter address: what was to be bound; `ip` is its IP address.
    package init(_ address: Multiaddr, ip: IPAddress, on host: Host = .system) {
        self.address = address
        self.ip = ip
        self.host = host
    }

    private var family: String { self.ip.isIPv6 ? "IPv6" : "IPv4" }

    /// Refuses a wildcard that stands for nothing: the system binds it all the same.
    ///
    /// - Throws: ``TransportError/Code/familyMissing``.
    package func checkWildcard() throws(TransportError) {
        guard self.ip.isUnspecified, self.host.hasAddress(self.ip.isIPv6) == false else { return }
        throw TransportError(.familyMissing, "could not listen on \(self.address): no interface of this host has an \(self.family) address")
    }

    /// The error for what the system said.
    ///
    /// - Parameter code: an `errno`, if there is one.
    package func error(code: CInt?, cause: any Error) -> TransportError {
        let (reason, text) = self.judge(code)
        return TransportError(reason, "could not listen on \(self.address)" + (text.map { ": \($0)" } ?? ""), cause: cause)
    }

    private func judge(_ code: CInt?) -> (TransportError.Code, String?) {
        switch code {
        case EADDRINUSE: return (.addressInUse, "something else listens there")
        case EAFNOSUPPORT, EPFNOSUPPORT: return (.familyMissing, "this host has no \(self.family)")
        case EADDRNOTAVAIL:
            if self.ip.isUnspecified || self.ip.isLoopback || self.host.hasAddress(self.ip.isIPv6) == false {
                return (.familyMissing, "no interface of this host has such an \(self.family) address")
            }
            return (.unreachable, "no interface of this host has that address")
        case EPERM, EACCES:
            guard self.host.allowsSockets(self.ip.isIPv6) else { return (.familyMissing, "this process may not use \(self.family)") }
            return (.unreachable, "this process may not bind it")
        case EMFILE, ENFILE: return (.unreachable, "there are no file descriptors left")
        default: return (.unreachable, nil)
        }
    }
}
