/// The limits and times of an mplex connection.
public struct MplexConfiguration: Sendable {
    /// The longest body of a frame, in bytes (mplex spec, "Writing to a stream"); it is never changed, because peers hold us to it too.
    public static let maximumFrameLength = 1 << 20
    /// After so many bytes that a reader has consumed, the muxer looks how much it has left.
    static let reportedConsumption = 64 * 1024

    /// Streams that may exist at once on one connection, both directions together.
    public var maximumStreams = 128
    /// Streams of the peer that may wait for somebody to accept them; further ones are reset.
    public var maximumBacklog = 64
    /// Bytes that may wait for the reader of one stream; a byte more, and the stream is reset.
    public var maximumUnread = 4 * 1024 * 1024
    /// Bytes that may wait for all readers of a connection together; beyond, the stream with the most of them is reset.
    public var maximumUnreadTogether = 16 * 1024 * 1024
    /// When more waits for one reader, the connection reads nothing for a moment: a reader who is merely slow slows the peer.
    public var comfortableUnread = 1024 * 1024
    /// That moment. A reader who takes nothing for so long is no longer waited for, and the other streams go on.
    public var readerPatience: Duration = .milliseconds(500)
    /// The longest data frame to send, in bytes, while other streams wait for their turn.
    public var sharedQuantum = 16 * 1024
    /// Resets, stream errors and frames without effect to put up with, each, in one ``offencePeriod``.
    public var maximumOffences = 200
    /// See ``maximumOffences``.
    public var offencePeriod: Duration = .seconds(30)
    /// Bytes that may still arrive for a stream that this side has reset, because the peer did not know yet.
    public var maximumStray = 8 * 1024 * 1024
    /// Bytes that a peer may send on a stream that this side has finished and no longer reads; then it is reset. As many may be on their
    /// way when this side loses interest.
    public var maximumDiscard = 8 * 1024 * 1024
    /// How long such a stream may wait for the peer's half-close; then it is reset.
    public var lingerTimeout: Duration = .seconds(60)

    /// The defaults.
    public init() {}
}
