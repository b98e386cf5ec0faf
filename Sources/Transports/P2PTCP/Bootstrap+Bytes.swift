import NIOCore
import NIOPosix

/// The largest read from a socket: several full records, so that few of them are split.
private let maximumRead = 256 * 1_024
/// A connection that is idle, or says little, reads into this.
private let initialRead = 2_048
/// Bytes that the channel takes before it says that it has enough.
private let writeWaterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 128 * 1_024, high: 256 * 1_024)

extension ClientBootstrap {
    /// Options of a channel that an upgrader takes over: it does not read yet, and sends at once.
    func configuredForBytes() -> ClientBootstrap {
        self.channelOption(.autoRead, value: false)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: writeWaterMark)
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1_024, initial: initialRead, maximum: maximumRead))
    }
}

extension ServerBootstrap {
    /// The same for accepted channels.
    func configuredForBytes() -> ServerBootstrap {
        self.childChannelOption(.autoRead, value: false)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: writeWaterMark)
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1_024, initial: initialRead, maximum: maximumRead))
    }
}
