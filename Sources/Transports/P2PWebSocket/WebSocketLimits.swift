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
    /// Payloads below this many bytes are unmasked into memory of their own size, and not into the pool's.
    static let pooled = 1_024
}
