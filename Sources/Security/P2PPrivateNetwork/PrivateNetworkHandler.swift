import NIOCore
import P2PCore
import P2PPipeline

/// Runs a ``PrivateNetworkSession`` on a channel, below everything else. An error closes the channel.
final class PrivateNetworkHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var session: PrivateNetworkSession
    private let pool: RecordPool
    /// Whether anything was passed on since the last `channelReadComplete`.
    private var hasDelivered = false

    init(session: consuming PrivateNetworkSession, pool: RecordPool) {
        self.session = session
        self.pool = pool
    }

    // MARK: Inbound

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do throws(PrivateNetworkError) {
            guard let text = try self.session.received(self.unwrapInboundIn(data)) else { return }
            self.hasDelivered = true
            context.fireChannelRead(self.wrapInboundOut(text))
            self.pool.recycle(text)
        } catch {
            self.fail(error, context: context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // A read that brought nothing but nonce is nothing to whoever asked for it, so ask again.
        if !self.hasDelivered { context.read() }
        self.hasDelivered = false
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { self.inputClosed(context: context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.inputClosed(context: context)
        context.fireChannelInactive()
    }

    private func inputClosed(context: ChannelHandlerContext) {
        do throws(PrivateNetworkError) {
            try self.session.inputClosed()
        } catch {
            self.fail(error, context: context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard self.session.isPeerUnproved else {
            context.fireErrorCaught(error)
            return
        }
        self.fail(
            PrivateNetworkError(
                .nonceMissing, "the connection broke before the peer had shown its key, as one with another key, or none, would end it",
                cause: error), context: context)
    }

    // MARK: Outbound

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let plaintext = self.unwrapOutboundIn(data)
        guard plaintext.readableBytes > 0 else {
            context.write(data, promise: promise)
            return
        }
        do throws(PrivateNetworkError) {
            let sealed = try self.session.seal(plaintext)
            context.write(self.wrapOutboundOut(sealed), promise: promise)
            self.pool.recycle(sealed)
        } catch {
            promise?.fail(error)
            self.fail(error, context: context)
        }
    }

    // MARK: Failure

    /// Reports the error as one that the upgrade passes on as it is, and closes the channel.
    private func fail(_ error: PrivateNetworkError, context: ChannelHandlerContext) {
        self.session.close()
        // A peer that says nothing may have any reason to leave.
        let code: TransportError.Code = error.code == .nonceMissing ? .closed : .protectionFailed
        context.fireErrorCaught(TransportError(code, "private network: \(error.message)", cause: error))
        context.close(promise: nil)
    }
}
