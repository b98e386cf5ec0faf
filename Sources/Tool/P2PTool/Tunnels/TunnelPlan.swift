import P2P
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PPolicy
import P2PTunnels
import Synchronization

/// The tunnels that a command line, or a file, asks a node for.
final class TunnelPlan: Sendable {
    /// A forward, and where its peer may be.
    struct Forward: Sendable, Equatable {
        let forward: TunnelForward
        let address: Multiaddr
    }

    let services: [TunnelService]
    let forwards: [Forward]
    /// What else the node serves.
    let handlers: [any ProtocolHandler]
    /// What pages reach.
    let gateway: Gateway

    /// Where the paths of web pages lead, and whose pages may.
    struct Gateway: Sendable {
        var routes: [String: TunnelGateway.Route] = [:]
        var origins: Set<String> = []
        /// Where the peers of the routes may be.
        var addresses: [Multiaddr] = []
    }
    /// Set when the node is made, if it has any use for them.
    private let made = Mutex<Made?>(nil)

    private struct Made {
        let tunnels: Tunnels
        /// Whether a policy says who may use what is served.
        let isPoliced: Bool
    }

    init(
        services: [TunnelService] = [], forwards: [Forward] = [], handlers: [any ProtocolHandler] = [], gateway: Gateway = Gateway()
    ) {
        self.services = services
        self.forwards = forwards
        self.handlers = handlers
        self.gateway = gateway
    }

    /// These, and others.
    func adding(_ others: TunnelPlan) -> TunnelPlan {
        TunnelPlan(
            services: self.services + others.services, forwards: self.forwards + others.forwards, handlers: self.handlers + others.handlers,
            gateway: self.gateway.routes.isEmpty ? others.gateway : self.gateway)
    }

    var tunnels: Tunnels? { self.made.withLock { $0?.tunnels } }

    /// Adds the module, if there is anything for it to do.
    func apply(to setup: inout NodeSetup) throws {
        setup.modules += self.handlers
        let connects = setup.policy?.gate.policy.rules.contains { $0.kind == .tunnelConnect && $0.effect != .deny } ?? false
        guard connects || !self.services.isEmpty || !self.forwards.isEmpty || !self.gateway.routes.isEmpty
        else { return }
        let tunnels = Tunnels(policy: setup.policy?.gate)
        for service in self.services { try tunnels.serve(service) }
        setup.modules.append(tunnels)
        if !self.gateway.routes.isEmpty {
            let gateway = TunnelGateway(tunnels, routes: self.gateway.routes, origins: self.gateway.origins)
            setup.webSockets.configuration.handler = WebHandlers([gateway] + [setup.webSockets.configuration.handler].compactMap { $0 })
        }
        let made = Made(tunnels: tunnels, isPoliced: setup.policy != nil)
        self.made.withLock { $0 = made }
    }

    /// Runs `body` with the tunnels beside it; what keeps one of them from beginning ends both.
    func accompany(_ host: PeerHost, _ console: Console, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.run(host, console) }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while try await group.next() != nil {}
        }
    }

    /// Says what is served, begins what is forwarded, and tells of what goes wrong, until cancelled.
    func run(_ host: PeerHost, _ console: Console) async throws {
        guard let made = self.made.withLock({ $0 }) else { return }
        let tunnels = made.tunnels
        for service in self.services {
            if let warning = TunnelText.warning(of: service, isPoliced: made.isPoliced) { StandardError.write(warning) }
            console.announce(
                .serving(service, isPoliced: made.isPoliced), TunnelText.serving(service, isPoliced: made.isPoliced))
        }
        for address in self.gateway.addresses {
            if let peer = address.peerID { try host.keepConnected(peer, at: [address]) }
        }
        if !self.forwards.isEmpty {
            // Whoever connects is brought to a peer at once.
            await host.waitUntilRunning()
            try Task.checkCancellation()
        }
        for wanted in self.forwards {
            try host.keepConnected(wanted.forward.peer, at: [wanted.address])
            var forward = wanted.forward
            forward.addresses = [wanted.address]
            let (_, listen) = try await tunnels.forward(forward)
            console.announce(.forwarding(listen, wanted.forward), TunnelText.forwarding(listen, wanted.forward))
        }
        try await TunnelReport.run(tunnels, console)
    }
}
