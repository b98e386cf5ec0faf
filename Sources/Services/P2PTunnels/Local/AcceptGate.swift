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

    /// - Parameter limit: connections that live at a time.
    init(limit: Int) { self.limit = limit }

    func read(context: ChannelHandlerContext) {
        if self.living < self.limit, !self.isResting { context.read() } else { self.isReadHeld = true }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = self.unwrapInboundIn(data)
        self.living += 1
        let eventLoop = context.eventLoop
        let context = NIOLoopBound(context, eventLoop: eventLoop)
        channel.closeFuture.hop(to: eventLoop).whenComplete { _ in
            self.living -= 1
            self.readOn(context.value)
        }
        context.value.fireChannelRead(data)
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
