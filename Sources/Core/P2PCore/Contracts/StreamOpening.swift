public import P2PIdentity

/// What a protocol needs of a host, and no more.
public protocol StreamOpening: Sendable {
    /// Where the time comes from, for whoever waits or measures.
    var clock: HostClock { get }
    /// Opens a stream to a peer, over a live connection or a new one, and agrees on one of the protocols.
    ///
    /// With one proposal, or one that the peer is known to speak, no round trip is spent: the proposal travels with the
    /// first bytes that are written, and a refusal shows at the first read.
    ///
    /// - Throws: ``StreamError/Code/protocolNotSupported``; ``StreamError/Code/connectionLost`` with the dial's error
    ///   as its cause.
    func openStream(to peer: PeerID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream
    /// The same on one connection.
    func openStream(on connection: ConnectionID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream
}

/// Is told of every new connection, in a task of its own that is cancelled when the connection ends.
public protocol ConnectionGreeting: Sendable {
    /// Runs once for each connection that is ready.
    func greet(_ connection: PeerConnection) async
}
