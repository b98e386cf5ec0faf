import NIOCore
import P2PHTTPHead

/// Reads a request's head and content, and keeps what stands behind them.
final class WebContentReader: Gate {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var reader = HTTPHeadReader()
    private var hasHead = false
    private var held = ByteBuffer()
    private let length: Int
    private let deadline: NIODeadline
    private var promise: EventLoopPromise<ByteBuffer>?
    private var timer: Scheduled<Void>?

    init(length: Int, deadline: NIODeadline, promise: EventLoopPromise<ByteBuffer>) {
        self.length = length
        self.deadline = deadline
        self.promise = promise
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(deadline: self.deadline) { bound.value.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        if !self.hasHead {
            guard (try? self.reader.received(&bytes)) != nil else { return }
            self.hasHead = true
        }
        self.held.writeBuffer(&bytes)
        guard let promise = self.promise, let content = self.held.readSlice(length: self.length) else { return }
        self.promise = nil
        self.timer?.cancel()
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        promise.succeed(content)
    }

    func open(context: ChannelHandlerContext) {
        if self.held.readableBytes > 0 {
            context.fireChannelRead(self.wrapInboundOut(self.held))
            context.fireChannelReadComplete()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.refuse()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.refuse() }

    private func refuse() {
        self.timer?.cancel()
        let promise = self.promise
        self.promise = nil
        promise?.fail(WebArrivalError(reason: "a request ended before its content"))
    }
}
