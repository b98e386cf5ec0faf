import NIOCore
import P2PCore

/// Reads a program's request, and leaves the channel to the pump behind it.
final class SOCKSHandler: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What a program may take to say what it wants.
    static let patience = TimeAmount.seconds(30)

    private var session = SOCKSSession()
    private var input = ByteBuffer()
    private let onRequest: @Sendable (SOCKSSession.Request, any Channel) -> Void
    private var alarm: Scheduled<Void>?
    /// The connection stands for a relay of datagrams: it says nothing more but that it ends.
    private var isAssociated = false

    /// - Parameter onRequest: is told once; answers with ``answer(_:bound:on:)``.
    init(onRequest: @escaping @Sendable (SOCKSSession.Request, any Channel) -> Void) { self.onRequest = onRequest }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        self.alarm = context.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
        context.read()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isAssociated else { return }
        self.input.writeImmutableBuffer(self.unwrapInboundIn(data))
        while true {
            switch self.session.received(&self.input) {
            case .more: return
            case .reply(let bytes): context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
            case .request(let request):
                self.alarm?.cancel()
                self.isAssociated = request == .associate
                self.onRequest(request, context.channel)
                return
            case .refuse(let bytes):
                self.alarm?.cancel()
                self.refuse(bytes, context)
                return
            }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Once there is a request for a connection, the pump reads.
        if !self.session.isDone || self.isAssociated { context.read() }
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        let channel = context.channel
        context.fireUserInboundEventTriggered(event)
        if self.isAssociated, case .inputClosed? = event as? ChannelEvent { channel.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.alarm?.cancel()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        guard self.input.readableBytes > 0 else { return }
        context.fireChannelRead(self.wrapInboundOut(self.input))
    }

    private func refuse(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        let channel = context.channel
        context.writeAndFlush(self.wrapOutboundOut(bytes)).whenComplete { _ in channel.close(promise: nil) }
    }
}
