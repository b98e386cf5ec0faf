public import P2PCore

/// Local discovery for a host's list: announces the node on the local network and finds others there; see ``MDNSDiscovery``.
public struct MDNS: HostModule {
    private let configuration: MDNSConfiguration

    /// By default on every network interface.
    public init(_ configuration: MDNSConfiguration = MDNSConfiguration()) {
        self.configuration = configuration
    }

    /// Adds the source of peers. The nodes of a private network are among themselves here, too.
    ///
    /// - Throws: ``TransportError/Code/invalidConfiguration`` beside a proxy, which it would go around.
    public func join(_ plan: inout HostPlan) async throws {
        guard !plan.surroundings.isProxied else {
            throw TransportError(
                .invalidConfiguration, "local discovery (mDNS) sends to the local network, and nothing is to go around the proxy")
        }
        var configuration = self.configuration
        configuration.networkFingerprint = configuration.networkFingerprint ?? plan.surroundings.privateNetwork
        plan.discovery.append(
            MDNSDiscovery(peer: plan.peerID, configuration: configuration, group: plan.group, logger: plan.logger))
    }
}
