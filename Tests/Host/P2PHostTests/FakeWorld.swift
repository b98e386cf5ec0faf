import Logging
import NIOPosix
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PHost
@testable import P2PSwarm

/// Hosts on a fake network, for one test.
struct FakeWorld: Sendable {
    let network = FakeNetwork()

    var clock: ManualClock { self.network.clock }

    func host(
        _ configuration: HostConfiguration = HostConfiguration(), gater: any ConnectionGater = OpenGater(), from local: Multiaddr? = nil,
        peerstore: (any Peerstore)? = nil, resolver: (any AddressResolver)? = nil,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, complete: (inout HostPlan) -> Void = { _ in }
    ) throws -> PeerHost {
        let key = try PrivateKey.generate(.ed25519)
        var transport = self.network.transport(for: key)
        if let local { transport.localAddress = local }
        return try PeerHost(
            identity: key, transports: [transport], configuration: configuration, gater: gater, peerstore: peerstore,
            group: MultiThreadedEventLoopGroup.singleton, clock: self.clock.clock,
            logger: logger
        ) { plan in
            plan.resolvers = resolver.map { [$0] } ?? []
            complete(&plan)
        }
    }

    func address(_ port: UInt16) -> Multiaddr { Multiaddr(ip: .loopbackV4, tcp: port) }

    /// Runs the hosts around `body`, shuts them down, and checks that nothing is left.
    func run(_ hosts: PeerHost..., body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for host in hosts { group.addTask { try await host.run() } }
            for host in hosts { await host.waitUntilRunning() }
            do {
                try await body()
            } catch {
                group.cancelAll()
                throw error
            }
            for host in hosts { host.shutDown() }
            try await self.clock.passing { try await group.waitForAll() }
        }
        for host in hosts {
            let statistics = host.statistics()
            #expect(statistics.connections == 0)
            #expect(statistics.pending == 0)
            #expect(statistics.dials == 0)
            #expect(statistics.tasks == 0)
            #expect(host.swarm.limits.counts == ConnectionLimits.Counts())
        }
    }
}

extension Swarm {
    /// Whether so many tasks wait for a dial to the peer.
    func isAwaited(_ peer: PeerID, by count: Int) -> Bool {
        self.table.withLock { $0.dial(to: peer)?.waiterCount == count }
    }
}

/// A handler that is a closure.
struct ClosureHandler: ProtocolHandler {
    let protocolIDs: [ProtocolID]
    var placement = HandlerPlacement.global
    var limits = StreamLimits()
    var servesLimitedConnections = false
    var audience: (@Sendable (ConnectionInfo) -> Bool)?
    let body: @Sendable (PeerStream, PeerConnection) async throws -> Void

    init(
        _ protocolIDs: ProtocolID..., placement: HandlerPlacement = .global, limits: StreamLimits = StreamLimits(),
        servesLimitedConnections: Bool = false, audience: (@Sendable (ConnectionInfo) -> Bool)? = nil,
        body: @escaping @Sendable (PeerStream, PeerConnection) async throws -> Void
    ) {
        self.protocolIDs = protocolIDs
        self.placement = placement
        self.limits = limits
        self.servesLimitedConnections = servesLimitedConnections
        self.audience = audience
        self.body = body
    }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        try await self.body(stream, connection)
    }

    static let echo = ClosureHandler("/echo") { stream, _ in
        while let bytes = try await stream.read() { try await stream.write(bytes) }
    }
}
