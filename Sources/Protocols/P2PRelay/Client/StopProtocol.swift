import P2PCore
import P2PIdentity
import P2PMultiaddr

/// Takes the circuits that relays offer, from those at which this node has a place.
struct StopProtocol: ProtocolHandler {
    /// How long a relay has for its message.
    private static let timeout = Duration.seconds(10)
    /// Circuits that one relay may have with this node.
    private static let circuitsPerRelay = 128
    /// Streams of a relay that may be refused in a while (``StreamLimits/refusalPeriod``).
    private static let refusals = 256

    private enum Decision {
        case refused(RelayStatus)
        case offered(CircuitListener, PendingCircuit)
    }

    let room: CircuitRoom

    var protocolIDs: [ProtocolID] { [Relay.stopID] }
    var limits: StreamLimits { StreamLimits(inboundPerPeer: Self.circuitsPerRelay, refusals: Self.refusals) }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        switch try await self.decide(on: stream, of: connection.info) {
        case .refused(let status):
            try await stream.write(StopMessage(.status, status: status).encoded.framed)
        case .offered(let listener, let circuit):
            if !listener.offer(circuit) { circuit.refuse() }
            await circuit.over.wait()
        }
    }

    /// Everything that can be decided before any handshake; the relay's word for who is there is no more than that yet.
    private func decide(on stream: PeerStream, of connection: ConnectionInfo) async throws(StreamError) -> Decision {
        guard !connection.isLimited, !connection.remoteAddress.isRelayed, let listener = self.room.listener(for: connection) else {
            return .refused(.permissionDenied)
        }
        let bytes = try await StreamError.within(Self.timeout, on: self.room.host.clock, "a relay's message") { () throws(StreamError) in
            try await stream.readMessageBytes(upTo: Relay.maximumMessage)
        }
        guard let bytes, let message = try? StopMessage(bytes) else { return .refused(.malformedMessage) }
        guard message.kind == .connect else { return .refused(.unexpectedMessage) }
        guard let source = message.peer.flatMap({ try? PeerID(bytes: $0) }) else { return .refused(.malformedMessage) }
        guard source != connection.localPeer, source != connection.remotePeer else { return .refused(.permissionDenied) }
        guard self.room.lendPlace() else { return .refused(.resourceLimitExceeded) }
        return .offered(listener, PendingCircuit(stream, from: source, limit: message.limit, relay: connection, in: self.room))
    }
}
