import NIOCore
import P2PMultiaddr

/// What a wildcard address stands for.
enum InterfaceAddresses {
    /// Whether the socket listens on every interface.
    static func isWildcard(_ address: SocketAddress?) -> Bool {
        address?.ip?.isUnspecified ?? false
    }

    /// The address itself, or one address per interface for a wildcard, in the system's order.
    static func expanding(_ address: SocketAddress?) -> [Multiaddr]? {
        guard let address else { return nil }
        guard self.isWildcard(address), let port = address.port else { return Multiaddr(tcp: address).map { [$0] } }
        guard let devices = try? System.enumerateDevices() else { return Multiaddr(tcp: address).map { [$0] } }
        var addresses: [Multiaddr] = []
        for device in devices {
            guard var local = device.address, local.protocol == address.protocol else { continue }
            local.port = port
            // A link-local address means nothing without its interface, and peers can't know ours.
            guard local.ip?.isLinkLocal == false, let expanded = Multiaddr(tcp: local), !addresses.contains(expanded) else { continue }
            addresses.append(expanded)
        }
        return addresses.isEmpty ? Multiaddr(tcp: address).map { [$0] } : addresses
    }
}
