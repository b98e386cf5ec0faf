import P2PCore

/// The answering side of identify: one message, then the half-close (identify spec, "identify").
struct IdentifyProtocol: ProtocolHandler {
    private let exchange: IdentifyExchange

    init(_ exchange: IdentifyExchange) { self.exchange = exchange }

    var protocolIDs: [ProtocolID] { [Identify.id] }
    var placement: HandlerPlacement { .connectionLoop }
    var limits: StreamLimits {
        StreamLimits(
            inboundPerPeer: IdentifyLimits.inboundStreamsPerPeer, lifetime: IdentifyLimits.timeout, refusals: IdentifyLimits.refusals)
    }
    var servesLimitedConnections: Bool { true }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        try await self.exchange.answer(connection.info, over: stream)
    }
}
