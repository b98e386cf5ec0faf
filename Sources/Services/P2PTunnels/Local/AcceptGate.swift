import NIOCore

/// Has a listening socket accept no more than there are places for, and rest when the process has no descriptors left: whoever is not accepted
/// waits in the system's queue.
final class AcceptGate: ChannelDuplexHandler, @unchecked Sendable {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    /// How long it rests after an error of the system.
    static let rest = TimeAmount.milliseconds(250)

    private let limit: Int
    private var living = 0
    private var isResting = false
    private var isReadHeld = false
    private var context: ChannelHandlerContext?

    /// - Parameter limit: connections that live at a time.
    init(limit: Int) { self.limit = limit }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func read(context: ChannelHandlerContext) {
        if self.living < self.limit, !self.isResting { context.read() } else { self.isReadHeld = true }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.keepPlace(for: self.unwrapInboundIn(data), on: context.eventLoop)
        context.fireChannelRead(data)
    }

    /// Has a connection take a place for as long as it lives. On the event loop of the listening socket.
    private func keepPlace(for channel: any Channel, on eventLoop: any EventLoop) {
        self.living += 1
        channel.closeFuture.hop(to: eventLoop).whenComplete { _ in
            self.living -= 1
            if let context = self.context { self.readOn(context) }
        }
    }

    /// A connection that was accepted goes on as another channel. From any thread.
    ///
    /// - Parameter eventLoop: that of the listening socket.
    func goesOn(as channel: any Channel, on eventLoop: any EventLoop) {
        eventLoop.execute { self.keepPlace(for: channel, on: eventLoop) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !self.isResting else { return }
        self.isResting = true
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.rest) {
            self.isResting = false
            self.readOn(bound.value)
        }
    }

    private func readOn(_ context: ChannelHandlerContext) {
        guard self.isReadHeld, self.living < self.limit, !self.isResting, context.channel.isActive else { return }
        self.isReadHeld = false
        context.read()
    }
}
