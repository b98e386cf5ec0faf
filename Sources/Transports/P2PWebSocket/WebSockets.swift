public import P2PCore
import P2PPipeline

/// WebSockets for a host's list. They stand on the byte transport before them, TCP for instance.
public struct WebSockets: HostModule {
    /// Whose pages may connect, what else the ports serve, and TLS below it.
    public var configuration: WebSocketConfiguration
    /// Ports of TCP serve WebSockets as well, secure ones if there is a certificate, and the application's HTTP.
    public var sharesPorts: Bool

    /// By default on ports of their own, without TLS.
    public init(_ configuration: WebSocketConfiguration = WebSocketConfiguration(), sharesPorts: Bool = false) {
        self.configuration = configuration
        self.sharesPorts = sharesPorts
    }

    /// Adds the transport, and another that shares the ports of the one below.
    ///
    /// - Throws: ``TransportError/Code/invalidConfiguration`` without a byte transport to stand on, and for a shared port in a
    ///   private network.
    public func join(_ plan: inout HostPlan) async throws {
        guard let carrier = plan.carrier?.transport, let upgrader = plan.upgrader else {
            throw TransportError(.invalidConfiguration, "WebSockets stand on another byte transport: name TCP() before WebSockets()")
        }
        if self.sharesPorts {
            guard plan.surroundings.privateNetwork == nil else {
                throw TransportError(
                    .invalidConfiguration,
                    "a private network shares no port: to whoever has no key its first bytes tell nothing apart")
            }
            let shared = SharedPortTransport(
                over: carrier, configuration: self.configuration, gater: plan.gater, networks: plan.networks, logger: plan.logger)
            // The first that takes an address gets it, and these are addresses of the carrier.
            plan.transports.insert(UpgradingTransport(shared, upgrader: upgrader), at: 0)
        }
        try plan.add(
            WebSocketTransport(
                over: carrier, configuration: self.configuration, gater: plan.gater, networks: plan.networks, logger: plan.logger))
    }
}
