public import P2PCore

/// The answering side of ping: returns every 32 bytes as they came (ping spec, "Protocol").
///
/// A peer that finishes in the middle of a ping has its stream reset; bytes beyond 32 belong to the next ping.
public struct PingProtocol: ProtocolHandler {
    /// `/ipfs/ping/1.0.0`.
    public static let id: ProtocolID = "/ipfs/ping/1.0.0"
    /// The size of a ping and of its answer, in bytes.
    public static let size = 32
    /// Streams that one peer may keep open to be answered on (ping spec, "Protocol").
    public static let inboundStreamsPerPeer = 2
    /// Further streams that a connection may have refused within half a minute before it is closed.
    static let refusals = 200

    /// A responder; it has nothing to configure.
    public init() {}

    /// What it answers to.
    public var protocolIDs: [ProtocolID] { [Self.id] }
    /// On the connection's loop: it only passes bytes on.
    public var placement: HandlerPlacement { .connectionLoop }
    /// How many streams a peer may keep open.
    public var limits: StreamLimits { StreamLimits(inboundPerPeer: Self.inboundStreamsPerPeer, refusals: Self.refusals) }
    /// Also over a relay: it is cheap.
    public var servesLimitedConnections: Bool { true }

    /// Serves one stream until the peer has finished.
    public func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        while let ping = try await stream.readExactly(Self.size) { try await stream.write(ping) }
    }
}
