import NIOCore
import NIOEmbedded
import NIOPosix
import P2PCore
import Synchronization
import Testing

@testable import P2PTunnels

@Suite("Places for accepted connections")
struct AcceptGateTests {
    private final class Reads: ChannelOutboundHandler {
        typealias OutboundIn = Never
        var count = 0

        func read(context: ChannelHandlerContext) { self.count += 1 }
    }

    @Test("A connection that goes on as another channel keeps its place in between, and no other is accepted for it")
    func movedOn() throws {
        let loop = EmbeddedEventLoop()
        let (reads, gate) = (Reads(), AcceptGate(limit: 1))
        let listener = EmbeddedChannel(handlers: [reads, gate], loop: loop)
        try listener.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        listener.read()
        #expect(reads.count == 1)
        let (accepted, moved) = (EmbeddedChannel(loop: loop), EmbeddedChannel(loop: loop))
        listener.pipeline.syncOperations.fireChannelRead(NIOAny(accepted as any Channel))
        listener.read()
        #expect(reads.count == 1, "the one place is taken")
        let place = gate.takePlace(on: loop)
        _ = try accepted.finish()
        loop.run()
        #expect(reads.count == 1, "the connection lives")
        moved.closeFuture.whenComplete { _ in place.giveBack() }
        _ = try moved.finish()
        loop.run()
        #expect(reads.count == 2)
        _ = try listener.finish()
    }

    @Test("A socket is moved, and stays where it is when that would take one of the last descriptors", arguments: [true, false])
    func reserve(isShort: Bool) async throws {
        // They outlast the pumps, which say at their end how it went.
        let loops = Array(MultiThreadedEventLoopGroup.singleton.makeIterator())
        guard let here = loops.first, let there = loops.last, here !== there else { return }
        let times = TunnelCourse.Times(idle: nil, halfClosedIdle: .seconds(60))
        let pump = TunnelPump(times: times, on: here)
        let server = try await ServerBootstrap(group: here).bind(host: "127.0.0.1", port: 0).get()
        let socket = try await ClientBootstrap(group: here)
            .channelOption(.autoRead, value: false)
            .channelInitializer { channel in channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(pump) }
            }
            .connect(to: #require(server.localAddress)).get()
        let gate = AcceptGate(limit: 1)
        let moved = try await pump.moved(to: there, sparing: DescriptorReserve(limit: isShort ? 1 : .max)) { gate.takePlace(on: here) }
        #expect((moved === pump) == isShort)
        #expect(socket.isActive == isShort)
        moved.cancel()
        pump.cancel()
        try await server.close()
    }
}
