public import P2PCore
import P2PPipeline

/// TCP for a host's list. Transports that stand on bytes, such as WebSocket, come behind it.
public struct TCP: HostModule {
    /// It has nothing to configure.
    public init() {}

    /// Adds the transport, which dials through the detour if the plan has one.
    public func join(_ plan: inout HostPlan) async throws {
        let direct = TCPTransport(group: plan.group, proxies: plan.networks.proxies, logger: plan.logger)
        let transport = plan.detour?.through(direct) ?? direct
        try plan.add(transport)
        plan.carrier = ByteCarrier(transport)
    }
}
