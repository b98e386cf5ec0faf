import ArgumentParser
import P2P
import P2PMultiaddr

/// How a daemon is reached from the internet.
struct ReachabilityOptions: ParsableArguments {
    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            """
            Have the router of this network let peers in, by PCP, NAT-PMP or UPnP, on every port of this node's. (default: on the ports that \
            --listen names; those that the system chooses, with port 0, are others each time)
            """))
    var portMapping: Bool?

    @Flag(help: "Tell peers whether they are reached from the internet, by dialing them: a service of AutoNAT, for nodes that are.")
    var autonatService = false

    /// What the options add to a node.
    ///
    /// - Parameters:
    ///   - listen: where the node is told to listen.
    ///   - isConfined: nothing may go around a proxy.
    ///   - setup: what the node is made of else.
    func modules(listening listen: [Multiaddr], isConfined: Bool, for setup: NodeSetup) -> [any HostModule] {
        var modules: [any HostModule] = [AutoNAT()]
        if let mapping = self.mapping(listening: listen, isConfined: isConfined) { modules.append(PortMapping(mapping)) }
        if self.autonatService { modules.append(AutoNATService.standard(setup.stack)) }
        return modules
    }

    private func mapping(listening listen: [Multiaddr], isConfined: Bool) -> PortMappingConfiguration? {
        if let portMapping { return portMapping ? PortMappingConfiguration() : nil }
        // What was not asked for keeps out of the way.
        guard !isConfined else { return nil }
        let ports = Set(listen.filter { !$0.isLoopback }.compactMap { ($0.tcpEndpoint ?? $0.udpEndpoint)?.port }).subtracting([0])
        return ports.isEmpty ? nil : PortMappingConfiguration(ports: ports)
    }
}
