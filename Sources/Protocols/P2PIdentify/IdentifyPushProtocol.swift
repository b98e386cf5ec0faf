import P2PCore

/// The receiving side of identify push: what has changed about the peer (identify spec, "identify/push").
struct IdentifyPushProtocol: ProtocolHandler {
    private let exchange: IdentifyExchange

    init(_ exchange: IdentifyExchange) { self.exchange = exchange }

    var protocolIDs: [ProtocolID] { [Identify.pushID] }
    var limits: StreamLimits {
        StreamLimits(
            inboundPerPeer: IdentifyLimits.inboundPushesPerPeer, lifetime: IdentifyLimits.timeout, refusals: IdentifyLimits.refusals)
    }
    var servesLimitedConnections: Bool { true }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        try await self.exchange.acceptPush(stream, on: connection.info)
    }
}
