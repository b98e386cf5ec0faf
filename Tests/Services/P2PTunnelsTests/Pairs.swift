import Logging
import NIOCore
import NIOPosix
import P2PCore
import P2PIdentity
import P2PProtocolTesting
import Testing

@testable import P2PTunnels

/// A program's socket in a test.
typealias Program = NIOAsyncChannel<ByteBuffer, ByteBuffer>

/// Two sets of tunnels: those of a peer that serves, and those of a node that reaches it over streams in memory.
struct TunnelPair: Sendable {
    let serving: Tunnels
    let reaching: Tunnels
    let peer: PeerID

    /// Makes both, runs the node's for as long as the body runs, and has it look at what is left.
    static func with(
        service target: TunnelEndpoint, isDatagrams: Bool = false, introduction: TunnelService.Introduction = .none,
        _ configuration: TunnelConfiguration = TunnelConfiguration(),
        _ body: @escaping @Sendable (TunnelPair) async throws -> Void
    ) async throws {
        let serving = Tunnels(configuration)
        let name = try #require(TunnelName("/x/test"))
        let service = TunnelService(name, at: target, isDatagrams: isDatagrams, introduction: introduction)
        try serving.serve(service)
        let handler: any ProtocolHandler =
            isDatagrams
            ? TunnelExitHandler(tunnels: serving)
            : TunnelServiceHandler(tunnels: serving, service: service, running: RunningTunnel(TunnelID(number: 9), .serve))
        let identity = try PrivateKey.generate(.ed25519)
        let host = LoopbackPeer(handler, on: try .sample(local: identity))
        let reaching = Tunnels(configuration)
        var plan = HostPlan(
            identity: identity, windowBudget: MemoryBudget(limit: 1 << 20), group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, host: host, gater: OpenGater())
        reaching.join(&plan)
        let pair = TunnelPair(serving: serving, reaching: reaching, peer: host.peerConnection.remotePeer)
        let service0 = plan.services[0]
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service0.run(host) }
            group.addTask { try await body(pair) }
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    func forward(isDatagrams: Bool = false) async throws -> TunnelEndpoint {
        try await self.reaching.forward(
            try TunnelForward("127.0.0.1:0", to: self.peer, "/x/test", isDatagrams: isDatagrams)
        ).listen
    }

    /// Whether neither side has any flow, waited for.
    func isEmpty() async throws -> Bool {
        for _ in 0..<1_000 {
            if self.serving.ledger.census == (0, 0, 0), self.reaching.ledger.census == (0, 0, 0) { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}

extension TunnelEndpoint {
    var address: SocketAddress {
        get throws {
            switch self {
            case .ip(let host, let port): try SocketAddress(ipAddress: host, port: Int(port))
            case .unix(let path): try SocketAddress(unixDomainSocketPath: path)
            }
        }
    }

    /// Connects a program to it.
    func program<Result: Sendable>(
        _ body:
            @escaping @Sendable (NIOAsyncChannelInboundStream<ByteBuffer>, NIOAsyncChannelOutboundWriter<ByteBuffer>, any Channel)
            async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).channelOption(
            .allowRemoteHalfClosure, value: true
        ).connect(to: try self.address) { channel in
            channel.eventLoop.makeCompletedFuture {
                try Program(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
            }
        }
        return try await channel.executeThenClose { try await body($0, $1, channel.channel) }
    }
}

/// Runs a server whose connections the closure serves, while the body runs.
func withServer(
    _ serve:
        @escaping @Sendable (NIOAsyncChannelInboundStream<ByteBuffer>, NIOAsyncChannelOutboundWriter<ByteBuffer>, any Channel) async throws
        -> Void,
    at endpoint: TunnelEndpoint = .ip(host: "127.0.0.1", port: 0), _ body: @escaping @Sendable (TunnelEndpoint) async throws -> Void
) async throws {
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).childChannelOption(
        .allowRemoteHalfClosure, value: true
    ).bind(to: try endpoint.address) { channel in
        channel.eventLoop.makeCompletedFuture {
            try Program(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }
    var bound = endpoint
    if case .ip(let host, _) = endpoint { bound = .ip(host: host, port: UInt16(server.channel.localAddress?.port ?? 0)) }
    let reached = bound
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            try await server.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await connection in connections {
                        group.addTask {
                            try? await connection.executeThenClose { try await serve($0, $1, connection.channel) }
                        }
                    }
                }
            }
        }
        group.addTask { try await body(reached) }
        try await group.next()
        group.cancelAll()
        try? await group.waitForAll()
    }
}

extension NIOAsyncChannelInboundStream<ByteBuffer> {
    /// Everything up to the end.
    func all() async throws -> ByteBuffer {
        var all = ByteBuffer()
        for try await bytes in self { all.writeImmutableBuffer(bytes) }
        return all
    }
}
