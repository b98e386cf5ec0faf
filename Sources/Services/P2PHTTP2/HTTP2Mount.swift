import NIOCore
import NIOHTTP2
import NIOPosix
import P2PCore
import P2PPipeline

/// HTTP/2 on a stream, by nio-http2.
enum HTTP2Mount {
    typealias Multiplexer = NIOHTTP2Handler.AsyncStreamMultiplexer<HTTP2Exchange>

    struct Mounted: Sendable {
        let channel: StreamChannel
        let multiplexer: Multiplexer
        let holdings: HTTP2Holdings
    }

    /// Mounts it, and gives the stream up to it. It ends when the channel is closed.
    static func mount(
        _ stream: PeerStream, _ mode: NIOHTTP2Handler.ParserMode, _ limits: HTTP2Limits
    ) async throws -> Mounted {
        let channel = StreamChannel(stream, on: stream.muxed.home ?? MultiThreadedEventLoopGroup.singleton.any())
        return try await channel.eventLoop.submit {
            let manager = mode == .server ? Self.manager(limits, channel.eventLoop) : nil
            let holdings = HTTP2Holdings(stream.muxed, expectsPreface: mode == .server, next: manager?.http2StreamDelegate)
            try channel.pipeline.syncOperations.addHandler(holdings)
            let multiplexer = try channel.pipeline.syncOperations.configureAsyncHTTP2Pipeline(
                mode: mode, streamDelegate: holdings,
                frameDelegate: LastWord(of: channel, grace: TimeAmount(limits.bodyIdle)),
                configuration: limits.configuration(mode)
            ) { child in
                child.eventLoop.makeCompletedFuture { try HTTP2Exchange.make(on: child, holdings) }
            }
            if let manager { try channel.pipeline.syncOperations.addHandler(manager) }
            channel.activate()
            return Mounted(channel: channel, multiplexer: multiplexer, holdings: holdings)
        }.get()
    }

    /// Says goodbye to those who ask for nothing.
    private static func manager(_ limits: HTTP2Limits, _ eventLoop: any EventLoop) -> NIOHTTP2ServerConnectionManagementHandler {
        NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: eventLoop,
            configuration: .init(
                maxIdleTime: TimeAmount(limits.idle), maxAge: nil, maxGraceTime: TimeAmount(limits.bodyIdle), keepalive: nil))
    }

    /// Closes the channel behind a `GOAWAY`: at once where that names an error, and after a while where it is a goodbye that the other side may not
    /// have answered. nio-http2 leaves that to others.
    private final class LastWord: NIOHTTP2FrameDelegate {
        private weak var channel: StreamChannel?

        private let grace: TimeAmount

        init(of channel: StreamChannel, grace: TimeAmount) {
            self.channel = channel
            self.grace = grace
        }

        func wroteFrame(_ frame: HTTP2Frame) {
            guard case .goAway(_, let code, _) = frame.payload, let channel = self.channel else { return }
            let delay = code == .noError ? self.grace : .zero
            channel.eventLoop.scheduleTask(in: delay) { [weak channel] in channel?.close(promise: nil) }
        }
    }
}
