import NIOCore
import P2PCore
import P2PPipeline

/// Asks for a WebSocket, checks the answer, and leaves a ``WebSocketHandler`` in its place.
final class WebSocketClientHandshake: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: WebSocketRequest
    private let messages: (any WebSocketMessageReceiver)?
    private var reader = HTTPHeadReader()
    private var promise: EventLoopPromise<Void>?
    private var hasAsked = false

    init(_ request: WebSocketRequest, messages: (any WebSocketMessageReceiver)? = nil, promise: EventLoopPromise<Void>) {
        self.request = request
        self.messages = messages
        self.promise = promise
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.ask(context: context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.ask(context: context)
        context.fireChannelActive()
    }

    private func ask(context: ChannelHandlerContext) {
        guard !self.hasAsked else { return }
        self.hasAsked = true
        context.writeAndFlush(self.wrapOutboundOut(self.request.bytes), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let promise = self.promise else { return }
        var bytes = self.unwrapInboundIn(data)
        do throws(WebSocketError) {
            guard let response = try self.reader.next(from: &bytes) else { return }
            try self.request.check(response)
        } catch {
            self.fail(error, context: context)
            return
        }
        self.promise = nil
        context.becomeWebSocket(replacing: self, side: .client, messages: self.messages, leftover: bytes, promise: promise)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        if self.promise != nil { context.read() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.refuse(WebSocketError(.closed, "the connection ended before the handshake was answered"))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.refuse(WebSocketError(.closed, "the channel was taken down before the handshake was done"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.refuse(.broken(by: error))
        context.fireErrorCaught(error)
    }

    private func fail(_ error: WebSocketError, context: ChannelHandlerContext) {
        self.refuse(error)
        context.close(promise: nil)
    }

    private func refuse(_ error: WebSocketError) {
        let promise = self.promise
        self.promise = nil
        promise?.fail(error.asTransportError)
    }
}

extension ChannelHandlerContext {
    /// Puts frames in the place of a handshake, says so, and passes on what came behind it.
    func becomeWebSocket(
        replacing handshake: any RemovableChannelHandler, side: WebSocketSide, messages: (any WebSocketMessageReceiver)?,
        leftover: ByteBuffer, promise: EventLoopPromise<Void>
    ) {
        do {
            let frames = WebSocketHandler(side: side, pool: RecordPool.of(self.eventLoop), messages: messages)
            try self.pipeline.syncOperations.addHandler(frames, position: .after(handshake))
        } catch {
            promise.fail(TransportError(.closed, "the channel was taken down during the WebSocket handshake", cause: error))
            return
        }
        promise.assumeIsolated().succeed(())
        if leftover.readableBytes > 0 { self.fireChannelRead(NIOAny(leftover)) }
        self.pipeline.syncOperations.removeHandler(handshake, promise: nil)
    }
}
