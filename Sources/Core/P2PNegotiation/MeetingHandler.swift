package import NIOCore
package import P2PCore

/// Finds out, on a connection that both sides have dialled, which of the two proposes: they have agreed on that before, but some take it the other way
/// round (go-libp2p before 0.41), and then both would propose, or both wait.
///
/// Whoever proposes sends its header and the proposal together, and whoever chooses its header alone, if anything. So this side says no more than
/// its header until it has seen the other's first bytes, or has waited for them long enough.
package final class MeetingHandler: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private let agreed: ConnectionRole
    private let patience: TimeAmount
    private let onRole: (Result<(role: ConnectionRole, hasSaidHeader: Bool), NegotiationError>) -> Void
    private var input = ByteBuffer()
    private var hasBegun = false
    private var hasSaidHeader = false
    private var timer: Scheduled<Void>?
    private var isDone = false

    /// - Parameters:
    ///   - agreed: the role that this side should have.
    ///   - patience: how long the other side's first bytes may take, or its proposal behind its header: a round trip. The two sides should not
    ///     have the same: with equal roles both would propose when it ends.
    ///   - onRole: called on the event loop, before any byte is passed on, so that it can install what negotiates in that role.
    package init(
        as agreed: ConnectionRole, patience: TimeAmount,
        onRole: @escaping (Result<(role: ConnectionRole, hasSaidHeader: Bool), NegotiationError>) -> Void
    ) {
        self.agreed = agreed
        self.patience = patience
        self.onRole = onRole
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.begin(context: context) }
    }

    package func channelActive(context: ChannelHandlerContext) {
        self.begin(context: context)
        context.fireChannelActive()
    }

    private func begin(context: ChannelHandlerContext) {
        guard !self.hasBegun else { return }
        self.hasBegun = true
        switch self.agreed {
        case .listener:
            // So that a side that proposes need not wait for its own patience to end.
            self.hasSaidHeader = true
            context.writeAndFlush(self.wrapOutboundOut(NegotiationTable.header), promise: nil)
        case .dialer: self.wait(context: context)
        }
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isDone else {
            context.fireChannelRead(data)
            return
        }
        var bytes = self.unwrapInboundIn(data)
        self.input.writeBuffer(&bytes)
        let header = NegotiationTable.header.readableBytesView
        let said = self.input.readableBytesView
        if said.count < header.count, header.starts(with: said) { return }
        guard said.elementsEqual(header) else { return self.decide(.listener, context: context) }
        switch self.agreed {
        case .dialer: self.decide(.dialer, context: context)
        case .listener: self.wait(context: context)
        }
    }

    /// For what would show that the other side proposes.
    private func wait(context: ChannelHandlerContext) {
        guard self.timer == nil else { return }
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: self.patience) {
            if !self.isDone { self.decide(.dialer, context: context) }
        }
    }

    private func decide(_ role: ConnectionRole, context: ChannelHandlerContext) {
        self.isDone = true
        self.timer?.cancel()
        self.onRole(.success((role, self.hasSaidHeader)))
        if self.input.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(self.input)) }
        self.input = ByteBuffer()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        self.end(NegotiationError(.unexpectedEnd, "the peer closed before it was clear who begins"))
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.end(NegotiationError(.unexpectedEnd, "the channel broke before it was clear who begins", cause: error))
        context.fireErrorCaught(error)
    }

    private func end(_ error: NegotiationError) {
        guard !self.isDone else { return }
        self.isDone = true
        self.timer?.cancel()
        self.onRole(.failure(error))
    }
}
