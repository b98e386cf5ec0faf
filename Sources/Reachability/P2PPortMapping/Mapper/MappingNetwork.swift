import P2PCore
package import P2PMultiaddr

/// The network behind the default route, where a router may map ports.
package struct MappingNetwork: Hashable, Sendable {
    let interface: String
    /// This node's address there.
    package let client: IPAddress
    /// What is reached there without a router.
    let network: IPNetwork
    package let gateway: IPAddress
    /// The interface's number, by which an address of IPv6 that means something on its link alone is told from others; 0 for IPv4.
    var scope: UInt32 = 0

    /// Looks at a machine.
    ///
    /// - Parameter route: its default route of IPv4, if it has one.
    /// - Returns: nil without a route, or without an address on its interface from which the gateway is reached.
    init?(_ route: DefaultRoute?, in networks: LocalNetworks) {
        guard let route else { return nil }
        let prefixes = networks.links.lazy.filter { $0.name == route.interface }.flatMap(\.prefixes)
        guard let own = prefixes.first(where: { $0.address.isIPv4 && $0.contains(route.gateway) && $0.address != route.gateway }) else {
            return nil
        }
        self.init(interface: route.interface, client: own.address, network: own.network, gateway: route.gateway)
    }

    /// Looks at a machine whose addresses of IPv6 nobody translates: there the router opens its firewall for one of them.
    ///
    /// - Returns: nil without a route, or without an address of the internet's on its interface.
    init?(pinhole route: DefaultRoute?, in networks: LocalNetworks) {
        guard let route,
            let link = networks.links.first(where: { $0.name == route.interface && $0.prefixes.contains { !$0.address.isIPv4 } }),
            let own = link.prefixes.first(where: { !$0.address.isIPv4 && $0.address.isPublic && $0.address != route.gateway })
        else { return nil }
        self.init(interface: route.interface, client: own.address, network: own.network, gateway: route.gateway)
        self.scope = UInt32(clamping: link.index)
    }

    package init(interface: String, client: IPAddress, network: IPNetwork, gateway: IPAddress) {
        self.interface = interface
        self.client = client
        self.network = network
        self.gateway = gateway
    }

    /// Whether an interface has an address of the internet's, so that nobody has to translate it.
    static func isPublic(_ networks: LocalNetworks) -> Bool {
        networks.links.contains { $0.prefixes.contains { $0.address.isIPv4 && $0.address.isPublic } }
    }

    /// The ports on which a node can be reached from the router: those of the client's address.
    func ports(of listening: [Multiaddr], only wanted: Set<UInt16>?) -> [LocalPort] {
        var ports: Set<LocalPort> = []
        for address in listening where address.ipAddress == self.client && !address.isRelayed {
            guard let port = LocalPort(address), wanted?.contains(port.number) ?? true else { continue }
            ports.insert(port)
        }
        return Array(ports.sorted().prefix(MappingLimits.ports))
    }
}

extension LocalPort {
    /// The port on which a listener of this address is; nil for one without.
    init?(_ address: Multiaddr) {
        if let endpoint = address.tcpEndpoint, endpoint.port > 0 {
            self.init(.tcp, endpoint.port)
        } else if let endpoint = address.udpEndpoint, endpoint.port > 0 {
            self.init(.udp, endpoint.port)
        } else {
            return nil
        }
    }
}
