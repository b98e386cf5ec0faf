/// A protocol that a closure serves, for a quick start.
package struct ClosureHandler: ProtocolHandler {
    package let protocolIDs: [ProtocolID]
    package let limits: StreamLimits
    private let body: @Sendable (PeerStream, PeerConnection) async throws -> Void

    package init(
        _ protocolIDs: [ProtocolID], limits: StreamLimits = StreamLimits(),
        body: @escaping @Sendable (_ stream: PeerStream, _ connection: PeerConnection) async throws -> Void
    ) {
        self.protocolIDs = protocolIDs
        self.limits = limits
        self.body = body
    }

    package func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        try await self.body(stream, connection)
    }
}
