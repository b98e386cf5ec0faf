import NIOCore
import P2PCore
import P2PPipeline

/// Runs a ``ProxyDialogue`` on a channel, then goes away and passes on what came behind it.
final class ProxyHandshake: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let proxy: ProxyURL
    private var dialogue: ProxyDialogue
    private var promise: EventLoopPromise<Void>?
    private var hasBegun = false

    init(_ proxy: ProxyURL, to target: ProxyTarget, promise: EventLoopPromise<Void>) {
        self.proxy = proxy
        self.dialogue = ProxyDialogue(proxy, to: target)
        self.promise = promise
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.begin(context: context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.begin(context: context)
        context.fireChannelActive()
    }

    private func begin(context: ChannelHandlerContext) {
        guard !self.hasBegun else { return }
        self.hasBegun = true
        context.writeAndFlush(self.wrapOutboundOut(self.dialogue.opening), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let promise = self.promise else { return }
        var bytes = self.unwrapInboundIn(data)
        do throws(ProxyError) {
            while true {
                switch try self.dialogue.received(&bytes) {
                case .more: return
                case .send(let message): context.writeAndFlush(self.wrapOutboundOut(message), promise: nil)
                case .connected:
                    self.promise = nil
                    promise.assumeIsolated().succeed(())
                    if bytes.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(bytes)) }
                    context.pipeline.syncOperations.removeHandler(self, promise: nil)
                    return
                }
            }
        } catch {
            let code: TransportError.Code = error.isRefusal ? .unreachable : .negotiationFailed
            self.refuse(TransportError(code, "\(self.proxy): \(error.message)"))
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        if self.promise != nil { context.read() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.refuse(TransportError(.unreachable, "\(self.proxy): it hung up before it had connected"))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.refuse(TransportError(.closed, "\(self.proxy): the channel was taken down before it had connected"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.refuse(TransportError(.unreachable, "\(self.proxy): the channel broke before it had connected", cause: error))
        context.fireErrorCaught(error)
    }

    private func refuse(_ error: TransportError) {
        let promise = self.promise
        self.promise = nil
        promise?.fail(error)
    }
}

/// The proxy's part of a dial.
struct ProxyDialing: ChannelPreparation {
    let proxy: ProxyURL
    let target: ProxyTarget

    func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>) {
        do {
            try channel.pipeline.syncOperations.addHandler(ProxyHandshake(self.proxy, to: self.target, promise: promise))
        } catch {
            promise.fail(TransportError(.closed, "\(self.proxy): the channel was closed before the handshake", cause: error))
        }
    }
}
