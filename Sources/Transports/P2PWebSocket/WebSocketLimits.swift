import NIOCore

/// What a WebSocket peer may make us hold or do.
enum WebSocketLimits {
    /// Payload of a control frame, in bytes (RFC 6455, section 5.5).
    static let control = 125
    /// Frames that carry nothing (control frames and empty ones) in a window of time.
    static let idleFrames = 1_000
    /// That window.
    static let idleFramesWindow = TimeAmount.seconds(30)
    /// How long a close frame waits for its answer, and the last bytes for the end of the connection.
    static let closing = TimeAmount.seconds(1)
    /// Bytes that are unmasked into one buffer: what the pool of buffers lends.
    static let slice = 65_536
}
