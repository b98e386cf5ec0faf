/// The limits of a muxer that its connection enforces on its own.
package struct MuxerLimits: Sendable {
    /// Streams that may exist at once, both directions together.
    package var streams: Int
    /// Streams of the peer that may wait for somebody to accept them.
    package var backlog: Int
    /// Stream ids that one side has.
    package var streamIDs: UInt64
    /// Bytes that a reader consumes before its stream is served for it.
    package var creditThreshold: Int
    /// Whether credit is returned also for what is read after the peer has finished.
    package var creditsToTheEnd: Bool

    package init(streams: Int, backlog: Int, streamIDs: UInt64 = .max, creditThreshold: Int, creditsToTheEnd: Bool = false) {
        self.streams = streams
        self.backlog = backlog
        self.streamIDs = streamIDs
        self.creditThreshold = creditThreshold
        self.creditsToTheEnd = creditsToTheEnd
    }
}
