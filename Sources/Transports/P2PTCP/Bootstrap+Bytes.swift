import NIOCore
import NIOPosix
import P2PPipeline

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Bytes that the channel takes before it says that it has enough.
private let writeWaterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 128 * 1_024, high: 256 * 1_024)

extension ClientBootstrap {
    /// Options of a channel that an upgrader takes over: it does not read yet, and sends at once.
    ///
    /// - Parameter initialize: what is to be done with a channel before it is connected.
    func configuredForBytes(_ initialize: @escaping @Sendable (any Channel) throws -> Void = { _ in }) -> ClientBootstrap {
        self.channelOption(.autoRead, value: false)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: writeWaterMark)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try ReadRoom.install(in: channel)
                    try initialize(channel)
                }
            }
    }
}

private let reusesPort = ChannelOptions.Types.SocketOption(level: .socket, name: NIOBSDSocket.Option(rawValue: SO_REUSEPORT))

extension ClientBootstrap {
    /// Lets the channel be bound to a port that listens, and to one that others dial from.
    func sharingPort() -> ClientBootstrap {
        self.channelOption(.socketOption(.so_reuseaddr), value: 1).channelOption(reusesPort, value: 1)
    }
}

extension Channel {
    /// Lets dials go out from the port that this channel listens on.
    ///
    /// Only now that it is bound: one that was bound so could be bound to a port that something else listens on, and nobody would notice.
    func letDialsShareItsPort() async {
        // Where the system does not let it, such a dial says so.
        try? await self.setOption(reusesPort, value: 1).get()
    }
}
