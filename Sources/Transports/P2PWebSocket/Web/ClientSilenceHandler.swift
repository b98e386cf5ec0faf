import NIOCore
import P2PCore

/// Cuts the client of a WebSocket that gives no sign of life, not even when it is asked for one. Stands below the WebSocket's frames.
final class ClientSilenceHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let limit: TimeAmount
    private let webSocket: WebSocketHandler
    private var silence: ClientSilence
    private var timer: Scheduled<Void>?

    init(limit: TimeAmount, webSocket: WebSocketHandler, at now: NIODeadline) {
        self.limit = limit
        self.webSocket = webSocket
        self.silence = ClientSilence(limit: limit, at: now)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.setTimer(context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.silence.heard(at: context.eventLoop.now)
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.silence.heardEnough()
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        self.silence.listens(at: context.eventLoop.now)
        context.read()
    }

    private func setTimer(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(deadline: self.silence.deadline) {
            bound.value.handler.look(bound.value.context)
        }
    }

    private func look(_ context: ChannelHandlerContext) {
        switch self.silence.look(at: context.eventLoop.now, unsent: context.channel.unsentBytes) {
        case .wait: break
        case .ask:
            if let frames = try? context.pipeline.syncOperations.context(handler: self.webSocket) { self.webSocket.ping(context: frames) }
            self.silence.asked(unsent: context.channel.unsentBytes)
        case .giveUp:
            context.fireErrorCaught(
                WebSocketError(
                    .closed, "the client has given no sign of life, nor an answer to a ping, for \(self.limit.nanoseconds / 1_000_000) ms"))
            context.close(promise: nil)
            return
        }
        self.setTimer(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.timer?.cancel()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.timer?.cancel() }
}
