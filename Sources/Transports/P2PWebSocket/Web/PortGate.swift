import NIOCore
import P2PCore

/// Holds a connection's first bytes back until they tell what it is, and until whoever is concerned takes over.
final class PortGate: Gate {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum State {
        case looking(PortClassifier, EventLoopPromise<PortKind>)
        case known
    }

    private var state: State
    private var held = ByteBuffer()
    private let deadline: NIODeadline
    private let progress: ArrivalProgress?
    private let stage: ArrivalProgress.Stage
    private var timer: Scheduled<Void>?

    /// - Parameter stage: what the first bytes show of the arrival.
    init(
        _ kinds: PortKinds, deadline: NIODeadline, progress: ArrivalProgress?, showing stage: ArrivalProgress.Stage,
        promise: EventLoopPromise<PortKind>
    ) {
        self.progress = progress
        self.stage = stage
        self.state = .looking(PortClassifier(kinds), promise)
        self.deadline = deadline
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(deadline: self.deadline) {
            bound.value.gate.fail(
                WebSocketError(.closed, "it stayed silent, or slow, until the deadline"), context: bound.value.context)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        let fresh = bytes
        self.held.writeBuffer(&bytes)
        guard case .looking(var classifier, let promise) = self.state else { return }
        self.progress?.advance(to: self.stage, at: context.eventLoop.now)
        do throws(WebSocketError) {
            guard let kind = try classifier.received(fresh) else {
                self.state = .looking(classifier, promise)
                return
            }
            self.state = .known
            self.timer?.cancel()
            // Nothing more is to be read before somebody wants it.
            try? context.channel.syncOptions?.setOption(.autoRead, value: false)
            promise.succeed(kind)
        } catch {
            self.fail(error, context: context)
        }
    }

    func open(context: ChannelHandlerContext) {
        let bytes = self.held
        self.held = ByteBuffer()
        if bytes.readableBytes > 0 {
            context.fireChannelRead(self.wrapInboundOut(bytes))
            context.fireChannelReadComplete()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func fail(_ error: WebSocketError, context: ChannelHandlerContext) {
        self.refuse(error)
        context.close(promise: nil)
    }

    private func refuse(_ error: WebSocketError) {
        self.timer?.cancel()
        guard case .looking(_, let promise) = self.state else { return }
        self.state = .known
        promise.fail(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.refuse(WebSocketError(.closed, "it ended before it had said what it was"))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.refuse(WebSocketError(.closed, "it was taken down before it had said what it was"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.refuse(.broken(by: error))
        context.fireErrorCaught(error)
    }
}
