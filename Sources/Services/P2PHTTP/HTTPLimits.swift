/// What bounds an HTTP exchange over a stream.
public struct HTTPLimits: Sendable, Hashable {
    /// The longest head, in bytes; it has at most 100 fields.
    public var headBytes = 32 * 1_024
    /// What a head may take to arrive; that of a response while it is the server's turn, and not while the request waits for its own body. Behind a
    /// body it may take ``bodyIdle``.
    public var headTime = Duration.seconds(10)
    /// How long nothing may come of a body, and how long the other side may take none of it or not answer it.
    public var bodyIdle = Duration.seconds(60)
    /// Exchanges that one peer may have at a time.
    public var exchangesPerPeer = 128

    /// The defaults.
    public init() {}
}
