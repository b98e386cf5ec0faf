/// Bounds of an in-memory connection, the same for both sides.
public struct MemoryConfiguration: Sendable, Hashable {
    /// Bytes of one stream, each way, that may be unread at the far end.
    public var window: Int
    /// Streams that may wait for somebody to take them; more are reset.
    public var backlog: Int
    /// Streams that one side may have open.
    public var streamLimit: Int

    /// Bounds, in bytes and streams.
    public init(window: Int = 256 * 1_024, backlog: Int = 256, streamLimit: Int = 512) {
        self.window = max(1, window)
        self.backlog = backlog
        self.streamLimit = streamLimit
    }
}
