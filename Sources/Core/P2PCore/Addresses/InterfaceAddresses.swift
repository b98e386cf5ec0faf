package import NIOCore
package import P2PMultiaddr

/// What a wildcard address stands for.
package enum InterfaceAddresses {
    /// Whether the socket listens on every interface.
    package static func isWildcard(_ address: SocketAddress?) -> Bool {
        address?.ip?.isUnspecified ?? false
    }

    /// The address itself, or one address per interface for a wildcard, in the system's order.
    ///
    /// - Parameter write: writes a socket's address as the transport does, such as `/ip4/…/tcp/…`.
    package static func expanding(_ address: SocketAddress?, as write: (SocketAddress) -> Multiaddr?) -> [Multiaddr]? {
        guard let address else { return nil }
        let plain = write(address).map { [$0] }
        guard self.isWildcard(address), let port = address.port, let devices = NetworkInterfaces.devices() else { return plain }
        var addresses: [Multiaddr] = []
        for device in devices {
            guard var local = device.address, local.protocol == address.protocol else { continue }
            local.port = port
            // A link-local address means nothing without its interface, and peers can't know ours.
            guard local.ip?.isLinkLocal == false, let expanded = write(local), !addresses.contains(expanded) else { continue }
            addresses.append(expanded)
        }
        return addresses.isEmpty ? plain : addresses
    }
}
