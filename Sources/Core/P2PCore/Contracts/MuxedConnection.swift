/// A connection that is authenticated, encrypted and carries many streams.
public protocol MuxedConnection: Sendable {
    /// Who is at the other end, and how the connection came to be.
    var info: ConnectionInfo { get }
    /// Runs tasks on the connection's event loop; nil where it has none.
    var executor: (any TaskExecutor)? { get }
    /// The streams that the peer opens. One consumer. Ends with nil only after our own close.
    var inboundStreams: InboundStreams { get }
    /// How much went over it so far.
    var traffic: ConnectionTraffic { get }
    /// Opens a stream. Nothing is sent until there is something to send.
    func openStream() async throws(ConnectionError) -> PeerStream
    /// Says goodbye. New streams are refused at once; those that live have `grace` to end, then they are dropped.
    ///
    /// Returns when the connection is gone, a moment after `grace` at the latest; whoever closes waits for that, also when
    /// cancelled. May be called again: a shorter grace counts from then on, a longer one changes nothing.
    func close(_ code: ConnectionErrorCode, grace: Duration) async
}

/// What one connection has carried since it began, and how many streams it has now.
public struct ConnectionTraffic: Sendable, Hashable {
    /// Application bytes and muxer frames that arrived, after decryption.
    public var bytesIn: UInt64
    /// Application bytes and muxer frames that were sent, before encryption.
    public var bytesOut: UInt64
    /// Streams that live, both ways.
    public var streams: Int
    /// The round trip on its path as it was last measured, smoothed; nil where nobody has measured it.
    public var roundTrip: Duration?
    /// How often losses made this side send more slowly, as far as it was seen; nil where the transport does not say.
    public var congestionEvents: UInt64?

    /// Makes counters with these values, as an implementation of ``MuxedConnection`` reports them.
    public init(
        bytesIn: UInt64 = 0, bytesOut: UInt64 = 0, streams: Int = 0, roundTrip: Duration? = nil, congestionEvents: UInt64? = nil
    ) {
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
        self.streams = streams
        self.roundTrip = roundTrip
        self.congestionEvents = congestionEvents
    }
}
