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
        self.living += 1
        let place = Place(gate: self, eventLoop: context.eventLoop)
        self.unwrapInboundIn(data).closeFuture.whenComplete { _ in place.giveBack() }
        context.fireChannelRead(data)
    }

    /// What a connection takes that goes on as another channel, before it leaves the first.
    struct Place: Sendable {
        fileprivate let gate: AcceptGate
        fileprivate let eventLoop: any EventLoop

        /// From any thread, once.
        func giveBack() {
            self.eventLoop.execute {
                self.gate.living -= 1
                if let context = self.gate.context { self.gate.readOn(context) }
            }
        }
    }

    /// Takes one more place, beyond the limit if need be. From any thread.
    ///
    /// - Parameter eventLoop: that of the listening socket.
    func takePlace(on eventLoop: any EventLoop) -> Place {
        eventLoop.execute { self.living += 1 }
        return Place(gate: self, eventLoop: eventLoop)
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
