public import P2PCore

/// Local discovery for a host's list: announces the node on the local network and finds others there; see ``MDNSDiscovery``.
public struct MDNS: HostModule {
    private let configuration: MDNSConfiguration

    /// By default on every network interface.
    public init(_ configuration: MDNSConfiguration = MDNSConfiguration()) {
        self.configuration = configuration
    }

    /// Adds the source of peers, as ``MDNSDiscovery/join(_:)`` does.
    public func join(_ plan: inout HostPlan) async throws {
        try await MDNSDiscovery(peer: plan.peerID, configuration: self.configuration, group: plan.group, logger: plan.logger).join(&plan)
    }
}
