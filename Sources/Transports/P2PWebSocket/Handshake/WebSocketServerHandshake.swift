import NIOCore
import P2PCore
import P2PPipeline

/// Answers a request for a WebSocket, and leaves a ``WebSocketHandler`` in its place.
final class WebSocketServerHandshake: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let terms: WebSocketAnswer.Terms
    private let messages: (any WebSocketMessageReceiver)?
    private var reader = HTTPHeadReader()
    private var promise: EventLoopPromise<Void>?

    init(terms: WebSocketAnswer.Terms, messages: (any WebSocketMessageReceiver)? = nil, promise: EventLoopPromise<Void>) {
        self.terms = terms
        self.messages = messages
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let promise = self.promise else { return }
        var bytes = self.unwrapInboundIn(data)
        do throws(WebSocketError) {
            guard let request = try self.reader.next(from: &bytes) else { return }
            switch WebSocketAnswer(to: request, terms: self.terms) {
            case .refuse(let response, let error):
                context.writeAndFlush(self.wrapOutboundOut(response), promise: nil)
                throw error
            case .accept(let response):
                context.writeAndFlush(self.wrapOutboundOut(response), promise: nil)
            }
        } catch {
            self.fail(error, context: context)
            return
        }
        self.promise = nil
        context.becomeWebSocket(replacing: self, side: .server, messages: self.messages, leftover: bytes, promise: promise)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        if self.promise != nil { context.read() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.refuse(WebSocketError(.closed, "the connection ended before a handshake was asked for"))
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
