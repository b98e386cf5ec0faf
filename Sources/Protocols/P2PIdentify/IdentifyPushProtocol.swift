import P2PCore

/// The receiving side of identify push: what has changed about the peer (identify spec, "identify/push").
struct IdentifyPushProtocol: ProtocolHandler {
    private let identify: Identify

    init(_ identify: Identify) { self.identify = identify }

    var protocolIDs: [ProtocolID] { [Identify.pushID] }
    var limits: StreamLimits {
        StreamLimits(inboundPerPeer: IdentifyLimits.inboundPushesPerPeer, lifetime: IdentifyLimits.timeout)
    }
    var servesLimitedConnections: Bool { true }

    func handle(_ stream: PeerStream, on connection: ConnectionInfo) async throws {
        try await self.identify.acceptPush(stream, on: connection)
    }
}
