/// What a WebSocket transport may be told.
public struct WebSocketConfiguration: Sendable {
    /// Origins whose pages may connect to a listener, such as `https://example.org`, be it to libp2p or to the application; nil lets
    /// all, and what is no browser sends none. Libp2p authenticates the peer inside either way.
    public var allowedOrigins: [String]?
    /// Header fields that the application adds to its requests.
    public var requestFields: [WebSocketHeaderField] = []
    /// Header fields that the application adds to its answers.
    public var responseFields: [WebSocketHeaderField] = []
    /// Answers what is not libp2p on a listener's port; nil answers it with 404.
    public var handler: (any WebHandler)?
    /// What the application's clients may take, and those who share a port and have not said yet what they are.
    public var limits = WebLimits()
    /// TLS for `/tls/ws` and `/wss`.
    public var tls = WebSocketTLS()

    /// The defaults.
    public init() {}
}
