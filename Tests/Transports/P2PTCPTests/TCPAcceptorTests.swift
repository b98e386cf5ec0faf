import Logging
import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PPipeline
import Testing

@testable import P2PTCP

@Suite("A listening socket and the thread that accepts on it", .timeLimit(.minutes(1)))
struct TCPAcceptorTests {
    private static let limits = Doorstep.Limits(underWay: 4, patience: .hours(1))

    private func bind() async throws -> TCPAcceptor {
        try await TCPAcceptor.bind(
            to: SocketAddress(ipAddress: "127.0.0.1", port: 0), backlog: 64, group: MultiThreadedEventLoopGroup.singleton,
            limits: Self.limits, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func connect(to acceptor: TCPAcceptor) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(to: acceptor.address).get()
    }

    @Test("Whoever comes before somebody accepts waits in the system's queue")
    func waits() async throws {
        let acceptor = try await self.bind()
        let client = try await self.connect(to: acceptor)
        #expect(acceptor.arrivals.poll() == nil)
        try acceptor.serve()
        let arrival = try #require(await acceptor.arrivals.next())
        #expect(arrival.channel.remoteAddress == client.localAddress)
        #expect(arrival.progress.stage == .silent)
        try? await arrival.channel.close()
        try? await client.close()
        await acceptor.close()
        await #expect(throws: (any Error).self) { _ = try await self.connect(to: acceptor) }
    }

    @Test("More arrivals than are begun with wait, the quiet behind those who have spoken; nobody is kept from the others")
    func takesTurns() async throws {
        let acceptor = try await self.bind()
        try acceptor.serve()
        let limit = Self.limits.underWay
        var clients: [any Channel] = []
        for _ in 0..<limit { clients.append(try await self.connect(to: acceptor)) }
        var arrived: [any Channel] = []
        for _ in 0..<limit { arrived.append(try #require(await acceptor.arrivals.next()).channel) }
        for _ in 0..<8 { clients.append(try await self.connect(to: acceptor)) }
        let speaker = try await self.connect(to: acceptor)
        try await speaker.writeAndFlush(ByteBuffer(repeating: 0x20, count: AcceptDesk.greeting))
        #expect(acceptor.arrivals.poll() == nil)
        acceptor.begun()
        let next = try #require(await acceptor.arrivals.next()).channel
        #expect(next.remoteAddress == speaker.localAddress)
        for _ in 0..<8 {
            acceptor.begun()
            arrived.append(try #require(await acceptor.arrivals.next()).channel)
        }
        for channel in clients + arrived + [speaker, next] { channel.close(promise: nil) }
        await acceptor.close()
    }

    @Test("Who waits is closed with the socket")
    func ends() async throws {
        let acceptor = try await self.bind()
        try acceptor.serve()
        var clients: [any Channel] = []
        for _ in 0..<Self.limits.underWay + 4 { clients.append(try await self.connect(to: acceptor)) }
        var arrived: [any Channel] = []
        for _ in 0..<Self.limits.underWay { arrived.append(try #require(await acceptor.arrivals.next()).channel) }
        await acceptor.close()
        #expect(await acceptor.arrivals.next() == nil)
        for client in clients.suffix(4) { try? await client.closeFuture.get() }
        for channel in clients + arrived { channel.close(promise: nil) }
        // And the port is free.
        let again = try await TCPTransport().bind(to: try #require(Multiaddr(tcp: acceptor.address)))
        #expect(again.addresses.count == 1)
    }

    @Test("The end comes though the task is cancelled, and once is as good as twice")
    func cancelled() async throws {
        let acceptor = try await self.bind()
        try acceptor.serve()
        let closing = Task {
            await acceptor.close()
            await acceptor.close()
            return acceptor.descriptor
        }
        closing.cancel()
        #expect(await closing.value < 0)
        #expect(acceptor.isOver)
    }

    @Test("A listener whose socket is none any more says so")
    func listener() async throws {
        let listener = try #require(try await TCPTransport().bind(to: "/ip4/127.0.0.1/tcp/0") as? TCPListener)
        let running = Task { try await listener.run { _ in } }
        listener.acceptor.end()
        await #expect(throws: TransportError(.closed, "")) { try await running.value }
    }
}
