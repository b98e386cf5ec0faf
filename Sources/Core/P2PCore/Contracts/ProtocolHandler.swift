/// Serves one protocol: a task per stream.
///
/// A handler that returns finishes its stream; one that throws resets it. It is a module, too, that brings nothing but itself.
public protocol ProtocolHandler: HostModule {
    /// The names it answers to, the preferred one first.
    var protocolIDs: [ProtocolID] { get }
    /// Where its tasks run.
    var placement: HandlerPlacement { get }
    /// How many streams a peer may keep open with it, and for how long.
    var limits: StreamLimits { get }
    /// Whether it also serves connections that a relay lends, with limits on time and bytes.
    var servesLimitedConnections: Bool { get }
    /// Whom the protocol is offered to; nil, which costs nothing, for everybody. To others it is as if it were not served: they are not told
    /// of it, and whoever proposes it all the same is refused in the negotiation. Asked for each stream and each introduction; must not block.
    var audience: (@Sendable (ConnectionInfo) -> Bool)? { get }
    /// Serves one stream until it returns, throws or is cancelled.
    ///
    /// - Parameter connection: whose stream it is; further streams may be opened back on it.
    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws
}

extension ProtocolHandler {
    /// Serving streams is all that it brings.
    public func join(_ plan: inout HostPlan) async throws { plan.handlers.append(self) }
    /// Handlers run on the global executor, unless they ask for the loop of their connection.
    public var placement: HandlerPlacement { .global }
    /// The default bounds of ``StreamLimits``, unless a handler sets its own.
    public var limits: StreamLimits { StreamLimits() }
    /// A handler is not offered to peers behind a relay that limits time and bytes, unless it says that it is.
    public var servesLimitedConnections: Bool { false }
    /// A handler is offered to everybody, unless it says to whom.
    public var audience: (@Sendable (ConnectionInfo) -> Bool)? { nil }
}

/// Where the tasks of a handler run.
public enum HandlerPlacement: Sendable, Hashable {
    /// On Swift's global executor: for anything that may compute or block.
    case global
    /// On the connection's event loop: half the latency, and the duty to return quickly.
    case connectionLoop
}

/// Bounds for the streams of one protocol.
public struct StreamLimits: Sendable, Hashable {
    /// Streams that one peer may have open with the handler at a time.
    public var inboundPerPeer: Int
    /// How long a stream may live; nil for as long as it likes.
    public var lifetime: Duration?
    /// Streams that one connection may have refused within ``refusalPeriod``, by these limits or by the handler
    /// (``StreamError/Code/rateLimited``), before it is closed; nil for as many as it likes.
    public var refusals: Int?

    /// The time in which refusals are counted.
    public static let refusalPeriod = Duration.seconds(30)

    /// Bounds; by default 128 streams per peer, for as long as they like.
    public init(inboundPerPeer: Int = 128, lifetime: Duration? = nil, refusals: Int? = nil) {
        self.inboundPerPeer = inboundPerPeer
        self.lifetime = lifetime
        self.refusals = refusals
    }
}
