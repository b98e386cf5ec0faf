import NIOCore
import P2PCore

/// Tells that something has come, once, and goes away: what comes later passes no handler for it.
final class FirstBytes: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let progress: ArrivalProgress
    private let stage: ArrivalProgress.Stage

    /// - Parameter stage: what the first bytes show of the arrival.
    init(_ stage: ArrivalProgress.Stage, of progress: ArrivalProgress) {
        self.progress = progress
        self.stage = stage
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.progress.advance(to: self.stage, at: context.eventLoop.now)
        context.fireChannelRead(data)
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
