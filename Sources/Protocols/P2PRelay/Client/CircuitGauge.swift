import NIOCore
import P2PCore

/// Counts what passes through a circuit, and says so when the relay ends it at its limit: the relay itself only resets the stream.
final class CircuitGauge: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    private var use: CircuitUse
    private var isOver = false

    init(_ use: CircuitUse) { self.use = use }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.use.receive(self.unwrapInboundIn(data).readableBytes)
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        self.use.send(self.unwrapOutboundIn(data).readableBytes)
        context.write(data, promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is StreamError, !self.isOver else { return context.fireErrorCaught(error) }
        self.isOver = true
        let reason = self.use.exhaustion(at: context.eventLoop.now)
        context.fireErrorCaught(reason.map { StreamError(.connectionLost, $0, cause: error) } ?? error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !self.isOver, let reason = self.use.exhaustion(at: context.eventLoop.now) {
            self.isOver = true
            context.fireErrorCaught(StreamError(.connectionLost, reason))
        }
        context.fireChannelInactive()
    }
}
