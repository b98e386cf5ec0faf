public import P2PCore

/// Returns every byte until the peer half-closes.
///
/// Bytes travel in the buffers they came in: nothing is copied here, and a peer that does not read slows only itself,
/// because the next read waits for the last write.
public struct EchoProtocol: ProtocolHandler {
    /// `/echo/1.0.0`.
    public static let id: ProtocolID = "/echo/1.0.0"

    /// Whether it also serves connections that a relay lends.
    public let servesLimitedConnections: Bool

    /// A responder.
    ///
    /// - Parameter servesLimitedConnections: also serve connections that a relay lends, with limits on time and bytes.
    public init(servesLimitedConnections: Bool = false) { self.servesLimitedConnections = servesLimitedConnections }

    /// What it answers to.
    public var protocolIDs: [ProtocolID] { [Self.id] }
    /// On the connection's loop: it only passes bytes on.
    public var placement: HandlerPlacement { .connectionLoop }

    /// Serves one stream until the peer has finished.
    public func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        while let bytes = try await stream.read() { try await stream.write(bytes) }
    }
}
