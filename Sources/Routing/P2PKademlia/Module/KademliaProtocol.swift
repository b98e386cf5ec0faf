import NIOCore
import P2PCore

/// The answering side: requests one after the other on a stream, for as long as the peer likes.
struct KademliaProtocol: ProtocolHandler {
    private let node: KademliaNode

    init(_ node: KademliaNode) { self.node = node }

    var protocolIDs: [ProtocolID] { [self.node.configuration.protocolID] }
    var limits: StreamLimits {
        StreamLimits(inboundPerPeer: KademliaLimits.inboundStreamsPerPeer, refusals: KademliaLimits.refusals)
    }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        try await self.node.serve(stream, on: connection)
    }
}
