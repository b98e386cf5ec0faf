public import P2PPortMapping
public import P2PWebSocket

/// What a ``WebSocketListener`` may be told.
public struct WebSocketListenerOptions: Sendable {
    /// The path that is asked for; nil for any. Others are answered with 404.
    public var path: String?
    /// Origins of the pages that may connect, exactly as browsers write them (`https://pages.example`); nil lets all. What is no page sends none, and may.
    public var origins: [String]?
    /// The sub-protocol that is agreed on with whoever offers it; who offers others alone is told of none.
    public var subprotocol: String?
    /// A certificate, for `wss://`.
    public var tls = WebSocketTLS()
    /// How a router is asked to open the port to the internet; nil asks none. Ports of loopback addresses are left alone.
    public var mapping: PortMappingConfiguration?
    /// How many may be here at a time, and how long they may be silent.
    public var limits = WebLimits()

    /// Any path and any page, without TLS; no router is asked.
    public init() {}
}
