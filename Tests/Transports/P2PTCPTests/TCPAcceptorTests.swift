import Logging
import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PPipeline
import Synchronization
import Testing

@testable import P2PTCP

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("A listening socket and the channel that accepts on it", .timeLimit(.minutes(1)))
struct TCPAcceptorTests {
    /// Closes what it accepts, and counts it.
    private func bind(_ accepted: Inbox<Int, Never>, ended: Signal) async throws -> TCPAcceptor {
        try await TCPAcceptor.bind(
            to: SocketAddress(ipAddress: "127.0.0.1", port: 0), backlog: 16,
            bootstrap: { _, errors in
                ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .serverChannelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(
                                AcceptBackoff(logger: Logger(label: "test"), errors: errors), position: .first)
                        }
                    }
                    .childChannelInitializer { channel in
                        _ = accepted.offer(1)
                        channel.close(promise: nil)
                        return channel.eventLoop.makeSucceededVoidFuture()
                    }
            }, onEnd: { ended.fire() })
    }

    private func knock(at acceptor: TCPAcceptor) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(to: acceptor.address).get()
        try? await channel.close()
    }

    /// What NIO does when an accept fails.
    private func fail(_ channel: any Channel, with number: CInt) async throws {
        try await channel.eventLoop.submit { channel.pipeline.fireErrorCaught(IOError(errnoCode: number, reason: "accept")) }.get()
        try? await channel.close()
    }

    @Test("It goes on where it was after errors that say nothing about the socket", arguments: [EPROTO, EPERM, ENETDOWN, EIO])
    func goesOn(number: CInt) async throws {
        let (accepted, ended) = (Inbox<Int, Never>(limit: 64), Signal())
        let acceptor = try await self.bind(accepted, ended: ended)
        for _ in 0..<3 {
            let channel = try #require(acceptor.channel)
            try await self.fail(channel, with: number)
            // Nobody accepts at this moment, and nobody is refused.
            try await self.knock(at: acceptor)
            #expect(await accepted.next() == 1)
            #expect(acceptor.channel !== channel)
        }
        #expect(!ended.isFired)
        await acceptor.close()
        #expect(ended.isFired)
        await #expect(throws: (any Error).self) { try await self.knock(at: acceptor) }
    }

    @Test("It ends, and lets go of its port, when the socket is none", arguments: [EINVAL, ENOTSOCK])
    func ends(number: CInt) async throws {
        let ended = Signal()
        let acceptor = try await self.bind(Inbox<Int, Never>(limit: 1), ended: ended)
        try await self.fail(try #require(acceptor.channel), with: number)
        await ended.wait()
        await acceptor.close()
        #expect(acceptor.channel == nil)
        await #expect(throws: (any Error).self) { try await self.knock(at: acceptor) }
    }

    @Test("A listener whose socket can't get well says so; one whose socket is sound serves on")
    func listener() async throws {
        let transport = TCPTransport()
        let listener = try await transport.bind(to: "/ip4/127.0.0.1/tcp/0")
        let address = try #require(listener.addresses.first)
        let arrivals = Inbox<Bool, Never>(limit: 8)
        let running = Task {
            try await listener.run { channel in
                channel.channel.close(promise: nil)
                _ = arrivals.offer(true)
            }
        }
        let acceptor = try #require((listener as? TCPListener)?.acceptor)
        try await self.fail(try #require(acceptor.channel), with: EHOSTUNREACH)
        let options = DialOptions(deadline: .now() + .seconds(10))
        try await transport.connect(to: address, options: options).channel.close()
        #expect(await arrivals.next() == true)
        #expect(listener.addresses == [address])
        try await self.fail(try #require(acceptor.channel), with: EINVAL)
        await #expect(throws: TransportError(.closed, "")) { try await running.value }
        let again = try await transport.bind(to: address)
        #expect(again.addresses == [address])
    }
}
