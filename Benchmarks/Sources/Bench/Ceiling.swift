import ArgumentParser
import NIOCore
import NIOPosix

struct Ceiling: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "What two bare NIO channels carry: 64 KiB writes, no crypto, no muxer.")

    @Option(help: "MiB to send.") var mebibytes = 4_096

    func run() async throws { try await self.measure() }

    func measure() async throws {
        let total = self.mebibytes * 1_048_576
        let group = MultiThreadedEventLoopGroup.singleton
        let received = group.any().makePromise(of: Void.self)
        let server = try await ServerBootstrap(group: group)
            .childChannelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1_024, initial: 2_048, maximum: 262_144))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Counter(expected: total, done: received))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        guard let address = server.localAddress else { throw ExitCode(1) }
        let client = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Pump(total: total))
                }
            }
            .connect(to: address).get()
        let start = ContinuousClock.now
        client.triggerUserOutboundEvent(Pump.Go(), promise: nil)
        try await received.futureResult.get()
        let seconds = (ContinuousClock.now - start).seconds
        report("ceiling: bare NIO channels", Double(total) / 1e6 / seconds, "MB/s", "no crypto, no muxer")
        try await client.close()
        try await server.close()
    }
}

/// Counts to a total.
private final class Counter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var left: Int
    private let done: EventLoopPromise<Void>

    init(expected: Int, done: EventLoopPromise<Void>) {
        self.left = expected
        self.done = done
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.left -= self.unwrapInboundIn(data).readableBytes
        if self.left <= 0 { self.done.succeed() }
    }
}

/// Writes while the channel is writable.
private final class Pump: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    struct Go: Sendable {}

    private var left: Int

    init(total: Int) { self.left = total }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        self.pump(context)
        promise?.succeed()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { self.pump(context) }

    private func pump(_ context: ChannelHandlerContext) {
        while self.left > 0, context.channel.isWritable {
            context.write(self.wrapOutboundOut(ByteBuffer(repeating: 1, count: 65_536)), promise: nil)
            self.left -= 65_536
        }
        context.flush()
    }
}
