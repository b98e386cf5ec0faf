import NIOCore
import NIOHTTP2
import P2PCore

/// What bounds HTTP/2 over a stream. Whoever goes beyond a limit that is not of one exchange loses the stream, with `GOAWAY`.
///
/// What one peer may have a server keep of bodies that nobody reads is the product of ``streamsPerPeer``, ``exchanges`` and ``bodyWindow``: 12.5 MiB by
/// default; and twice that of bodies that were begun to be read. It counts for the host's memory (`ResourceLimits/memory`).
public struct HTTP2Limits: Sendable, Hashable {
    /// Streams of this that one peer may have open.
    public var streamsPerPeer = 2
    /// Exchanges at a time on one of them (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    public var exchanges = 100
    /// The longest head, in bytes as RFC 9113 counts them (`SETTINGS_MAX_HEADER_LIST_SIZE`).
    public var headBytes = 32 * 1_024
    /// `CONTINUATION` frames in which a head may come.
    public var continuations = 5
    /// Bytes of one body that may come before they are read, and as many again when reading has begun. HTTP/2 begins with 64 KiB for each, so less is of no use.
    public var bodyWindow = 64 * 1_024
    /// The window of the whole stream that the peer sees. It bounds what is under way, and not what is kept: what has come makes room in it, read or not.
    public var window = 1_024 * 1_024
    /// Exchanges that the other side may reset within a ``period``.
    public var resets = 200
    /// Exchanges in which the other side may break the rules within a ``period``.
    public var faults = 50
    /// `PING`, `SETTINGS` and `PRIORITY` frames that may come within a ``period``.
    public var controlFrames = 200
    /// The time in which resets, faults and control frames are counted.
    public var period = Duration.seconds(30)
    /// What the head of a response may take to arrive while it is the server's turn: not while the request waits for a place among ``exchanges``, or for
    /// its own body. Behind a body it may take ``bodyIdle``.
    public var headTime = Duration.seconds(10)
    /// How long nothing may come of a body, and how long the other side may take nothing of one or not answer it.
    public var bodyIdle = Duration.seconds(60)
    /// How long a server keeps a stream on which there is no exchange.
    public var idle = Duration.seconds(300)

    /// The defaults.
    public init() {}

    /// What nio-http2 keeps to.
    func configuration(_ mode: NIOHTTP2Handler.ParserMode) -> NIOHTTP2Handler.Configuration {
        var settings = [
            HTTP2Setting(parameter: .maxHeaderListSize, value: self.headBytes),
            HTTP2Setting(parameter: .initialWindowSize, value: self.bodyWindow),
        ]
        switch mode {
        case .server: settings.append(HTTP2Setting(parameter: .maxConcurrentStreams, value: self.exchanges))
        case .client:
            settings += [HTTP2Setting(parameter: .enablePush, value: 0), HTTP2Setting(parameter: .maxConcurrentStreams, value: 0)]
        }
        let period = TimeAmount(self.period)
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = settings
        connection.maximumSequentialContinuationFrames = self.continuations
        connection.maximumConnectionGlitches = self.faults
        connection.targetWindowSize = self.window
        connection.controlFrameRateLimit.maximumCount = self.controlFrames
        connection.controlFrameRateLimit.windowLength = period
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = self.bodyWindow
        stream.streamResetFrameRateLimit.maximumCount = self.resets
        stream.streamResetFrameRateLimit.windowLength = period
        stream.streamErrorRateLimit.maximumCount = self.faults
        stream.streamErrorRateLimit.windowLength = period
        return NIOHTTP2Handler.Configuration(connection: connection, stream: stream)
    }
}
