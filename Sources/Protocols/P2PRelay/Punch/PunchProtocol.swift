import P2PCore
import P2PMultiaddr

/// The side that is told when to begin: it has dialled through the relay.
struct PunchProtocol: ProtocolHandler {
    /// How long the other has for everything it says.
    private static let lifetime = Duration.seconds(40)

    let works: PunchWorks

    var protocolIDs: [ProtocolID] { [HolePunching.id] }
    var servesLimitedConnections: Bool { true }
    var limits: StreamLimits { StreamLimits(inboundPerPeer: 2, lifetime: Self.lifetime, refusals: 32) }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        // Only whoever was dialled may ask, and only where there is no direct way.
        guard connection.isDialled, connection.remoteAddress.isRelayed else {
            throw StreamError(.malformed, "a punch is asked for by whoever was dialled, through a relay")
        }
        try await self.works.answer(stream, on: connection.info)
    }
}
