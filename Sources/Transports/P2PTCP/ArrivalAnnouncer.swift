import NIOCore
import P2PCore

/// Hands an accepted channel over once it is active, and goes away.
///
/// Not before: a read that is asked for before the channel is registered with its loop is never carried out.
final class ArrivalAnnouncer: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let arrivals: Inbox<any Channel, Never>

    init(to arrivals: Inbox<any Channel, Never>) {
        self.arrivals = arrivals
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        let isTaken = self.arrivals.offer(context.channel)
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
        if !isTaken { context.channel.close(promise: nil) }
    }
}
