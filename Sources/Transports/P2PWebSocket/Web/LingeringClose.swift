import NIOCore

/// Closes our half of a connection, and drops what still comes until the peer closes its own.
///
/// A system that is left with bytes that nobody has read resets the connection, upon which the peer's may throw the answer away unread
/// (RFC 9112, section 9.6).
final class LingeringClose: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let patience: TimeAmount
    private var allowance: Int
    private var promise: EventLoopPromise<Void>?
    private var timer: Scheduled<Void>?

    /// - Parameters:
    ///   - patience: how long the peer may go on.
    ///   - allowance: how many bytes it may send.
    ///   - promise: succeeds when the connection is to be closed for good.
    init(patience: TimeAmount, allowance: Int, promise: EventLoopPromise<Void>) {
        self.patience = patience
        self.allowance = allowance
        self.promise = promise
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(in: self.patience) { bound.value.end() }
        let closed = context.eventLoop.makePromise(of: Void.self)
        closed.futureResult.assumeIsolated().whenFailure { _ in self.end() }
        context.close(mode: .output, promise: closed)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.allowance -= self.unwrapInboundIn(data).readableBytes
        if self.allowance < 0 { self.end() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.end() }

    func handlerRemoved(context: ChannelHandlerContext) { self.end() }

    private func end() {
        self.timer?.cancel()
        let promise = self.promise
        self.promise = nil
        promise?.succeed()
    }
}
