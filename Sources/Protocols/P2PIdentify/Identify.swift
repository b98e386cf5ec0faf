public import P2PCore

/// Identify and identify push: peers tell each other who they are, where they listen and what they serve (identify spec).
///
/// As a module it asks the peer of every new connection, answers whoever asks, and tells the peers whenever something about this node
/// has changed. What peers say is remembered by the host, and is an event of it (``HostEvent/identified(_:_:)``).
public struct Identify: HostModule {
    /// `/ipfs/id/1.0.0`.
    public static let id: ProtocolID = "/ipfs/id/1.0.0"
    /// `/ipfs/id/push/1.0.0`.
    public static let pushID: ProtocolID = "/ipfs/id/push/1.0.0"

    /// It has nothing to configure.
    public init() {}

    /// Adds the handlers, a greeting, and the task that pushes.
    public func join(_ plan: inout HostPlan) async throws {
        let exchange = IdentifyExchange(plan.host)
        plan.handlers += exchange.handlers
        plan.greetings.append(exchange)
        plan.services.append(HostService("identify push") { _ in await exchange.pushChanges() })
    }

    /// Asks the peer of a connection who it is, and verifies the answer.
    ///
    /// - Throws: ``StreamError/Code/timedOut`` after five seconds; ``StreamError/Code/wrongKey``; ``StreamError/Code/messageTooLarge``;
    ///   ``StreamError/Code/malformed``; or what opening or reading the stream throws.
    public static func ask(_ connection: PeerConnection) async throws(StreamError) -> Introduction {
        try await IdentifyExchange(connection.host).identify(connection.info)
    }
}
