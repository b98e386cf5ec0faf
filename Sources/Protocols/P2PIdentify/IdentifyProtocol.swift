import P2PCore

/// The answering side of identify: one message, then the half-close (identify spec, "identify").
struct IdentifyProtocol: ProtocolHandler {
    private let identify: Identify

    init(_ identify: Identify) { self.identify = identify }

    var protocolIDs: [ProtocolID] { [Identify.id] }
    var placement: HandlerPlacement { .connectionLoop }
    var limits: StreamLimits {
        StreamLimits(inboundPerPeer: IdentifyLimits.inboundStreamsPerPeer, lifetime: IdentifyLimits.timeout)
    }
    var servesLimitedConnections: Bool { true }

    func handle(_ stream: PeerStream, on connection: ConnectionInfo) async throws {
        try await self.identify.introduce(to: connection, over: stream)
    }
}
