import NIOCore
import NIOPosix

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A group that a socket is in, by one interface. NIO's own way refuses interfaces that are not marked for it, as loopback is not on Linux.
struct GroupMembership {
    /// `ip_mreq`
    private struct V4 {
        var group: UInt32 = 0
        var interface: UInt32 = 0
    }

    /// `ipv6_mreq`
    private struct V6 {
        var group: (UInt64, UInt64) = (0, 0)
        var interface: CUnsignedInt = 0
    }

    private enum Request {
        case v4(V4), v6(V6)
    }

    private let request: Request
    private let hasInterface: Bool

    /// - Parameter interface: its name; nil leaves it to the system.
    init(_ group: SocketAddress, interface: String?) throws(SocketError) {
        var device: NIONetworkDevice?
        if let interface {
            device = ((try? System.enumerateDevices()) ?? []).first { $0.name == interface && $0.address?.protocol == group.protocol }
            guard device != nil else {
                throw SocketError(.invalidArgument, "no interface \(interface) has an address of the group's family")
            }
        }
        self.hasInterface = device != nil
        let text = group.ipAddress ?? ""
        if group.protocol == .inet6 {
            var request = V6(interface: CUnsignedInt(clamping: device?.interfaceIndex ?? 0))
            inet_pton(AF_INET6, text, &request.group)
            self.request = .v6(request)
        } else {
            var request = V4()
            inet_pton(AF_INET, text, &request.group)
            if let address = device?.address?.ipAddress { inet_pton(AF_INET, address, &request.interface) }
            self.request = .v4(request)
        }
    }

    /// Joins; what is sent to groups leaves by the same interface from then on.
    func begin(on channel: any Channel) async throws {
        guard let options = channel as? any SocketOptionProvider else { throw ChannelError.operationUnsupported }
        switch self.request {
        case .v4(let request):
            try await options.unsafeSetSocketOption(level: .ip, name: .ip_add_membership, value: request).get()
            guard self.hasInterface else { return }
            try await options.unsafeSetSocketOption(level: .ip, name: .ip_multicast_if, value: request.interface).get()
        case .v6(let request):
            try await options.unsafeSetSocketOption(level: .ipv6, name: .ipv6_join_group, value: request).get()
            guard self.hasInterface else { return }
            try await options.unsafeSetSocketOption(level: .ipv6, name: .ipv6_multicast_if, value: request.interface).get()
        }
    }

    /// Leaves.
    func end(on channel: any Channel) async throws {
        guard let options = channel as? any SocketOptionProvider else { throw ChannelError.operationUnsupported }
        switch self.request {
        case .v4(let request): try await options.unsafeSetSocketOption(level: .ip, name: .ip_drop_membership, value: request).get()
        case .v6(let request): try await options.unsafeSetSocketOption(level: .ipv6, name: .ipv6_leave_group, value: request).get()
        }
    }
}
