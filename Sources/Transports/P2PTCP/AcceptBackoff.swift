import Logging
import NIOCore
import P2PCore

/// Stops accepting for a moment when the process is out of file descriptors.
///
/// The pending connection keeps the socket readable, so that a server channel that goes on would fail as fast as a core
/// can spin. Errors are kept for whoever decides what becomes of the socket.
final class AcceptBackoff: ChannelInboundHandler {
    typealias InboundIn = any Channel

    /// How long it rests.
    static let pause = TimeAmount.milliseconds(250)
    /// How often it says so.
    static let logInterval = TimeAmount.seconds(10)

    private let logger: Logger
    private let errors: AcceptErrors
    private var isPaused = false
    private var logged = LogInterval(AcceptBackoff.logInterval)

    init(logger: Logger, errors: AcceptErrors) {
        self.logger = logger
        self.errors = errors
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.errors.caught(error)
        guard let error = error as? IOError, SocketFaults.isExhaustion(error.errnoCode) else {
            context.fireErrorCaught(error)
            return
        }
        guard !self.isPaused else { return }
        self.isPaused = true
        if self.logged.admit(at: context.eventLoop.now) != nil {
            self.logger.warning(
                "can't accept connections: the process is out of file descriptors or memory; raise its limit (ulimit -n)",
                metadata: ["errno": "\(error.errnoCode)"])
        }
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.pause) {
            bound.value.handler.resume(bound.value.context)
        }
    }

    private func resume(_ context: ChannelHandlerContext) {
        self.isPaused = false
        try? context.channel.syncOptions?.setOption(.autoRead, value: true)
    }
}
