import NIOCore
import P2PCore
import P2PPipeline

/// Runs a ``PlaintextExchange`` on a channel, then passes bytes on as they are. An error closes the channel.
final class PlaintextHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case waiting
        case exchanging
        case passing
        case failed
    }

    private var exchange: PlaintextExchange
    private var phase = Phase.waiting
    /// Who waits for the exchange; nil once it has heard.
    private var promise: EventLoopPromise<SecuredChannel>?

    init(exchange: PlaintextExchange, promise: EventLoopPromise<SecuredChannel>) {
        self.exchange = exchange
        self.promise = promise
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.start(context: context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.refuse(PlaintextError(.closed, "the channel was taken down before the exchange was done"))
    }

    func channelActive(context: ChannelHandlerContext) {
        self.start(context: context)
        context.fireChannelActive()
    }

    private func start(context: ChannelHandlerContext) {
        guard self.phase == .waiting else { return }
        self.phase = .exchanging
        context.writeAndFlush(self.wrapOutboundOut(self.exchange.message()), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.refuse(PlaintextError(.truncated, "the peer closed in the middle of the exchange"))
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent, self.promise != nil {
            self.fail(PlaintextError(.truncated, "the peer finished in the middle of the exchange"), context: context)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.refuse(PlaintextError(.closed, "the channel broke before the exchange was done", cause: error))
        context.fireErrorCaught(error)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.phase {
        case .passing: context.fireChannelRead(data)
        case .failed: break
        case .waiting, .exchanging:
            var input = self.unwrapInboundIn(data)
            do throws(PlaintextError) {
                guard case .claimed(let peer, let key) = try self.exchange.received(&input) else { return }
                self.phase = .passing
                let records = PipelineRecordWriter(context: context, maximumPayload: PlaintextLimits.maximumPayload)
                let promise = self.promise
                self.promise = nil
                promise?.assumeIsolated().succeed(SecuredChannel(remotePeer: peer, remoteKey: key, records: records))
                if input.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(input)) }
            } catch {
                self.fail(error, context: context)
            }
        }
    }

    /// Reports the error and closes the channel.
    private func fail(_ error: PlaintextError, context: ChannelHandlerContext) {
        self.phase = .failed
        self.refuse(error)
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }

    /// Tells whoever waits for the exchange that it failed.
    private func refuse(_ error: PlaintextError) {
        let promise = self.promise
        self.promise = nil
        promise?.fail(Self.transportError(error))
    }

    private static func transportError(_ error: PlaintextError) -> TransportError {
        switch error.code {
        case .peerMismatch: TransportError(.peerMismatch, error.message, cause: error)
        case .truncated, .closed: TransportError(.closed, "plaintext: \(error.message)", cause: error)
        default: TransportError(.securityFailed, "plaintext: \(error.message)", cause: error)
        }
    }
}
