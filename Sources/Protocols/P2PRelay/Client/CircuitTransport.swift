import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PPipeline

/// Dials and listens through relays.
struct CircuitTransport: Transport {
    let room: CircuitRoom

    /// Whatever leads through a relay: what can't be dialled is told why.
    func canDial(_ address: Multiaddr) -> Bool { address.isRelayed }
    /// Looks at the form of the address only.
    func canListen(on address: Multiaddr) -> Bool { address.isRelayed }

    /// Connects to the relay, unless it is connected, has it make a circuit, and runs the handshakes over that.
    func dial(_ address: Multiaddr, expecting peer: PeerID?, options: DialOptions) async throws(TransportError) -> any MuxedConnection {
        guard let circuit = CircuitAddress(address) else {
            throw TransportError(.invalidAddress, "\(address) is no way through one relay: …/p2p/RELAY/p2p-circuit/p2p/PEER is")
        }
        guard let target = peer ?? circuit.target else {
            throw TransportError(.invalidAddress, "\(address) does not say whom to reach: add /p2p/ and its id")
        }
        guard circuit.target == nil || circuit.target == target else {
            throw TransportError(.peerMismatch, "\(address) leads to another peer than \(target)")
        }
        guard target != circuit.relay else {
            throw TransportError(.invalidAddress, "\(address): the relay is not reached through itself")
        }
        guard options.localAddress == nil else {
            throw TransportError(.unsupportedOptions, "a circuit has no local address to dial from")
        }
        let asking = RelayAsking(host: self.room.host)
        let connection = try await asking.connect(to: circuit.relay, at: circuit.relayAddresses, by: options.deadline)
        let (stream, limit) = try await self.open(to: target, on: connection, by: options.deadline, asking)
        let bytes = await self.room.mount(stream, limit: limit, of: connection.info)
        return try await self.room.upgrader.upgrade(
            bytes, role: options.role, isDialled: true, expecting: target, deadline: options.deadline, onConnected: options.onConnected)
    }

    private func open(
        to target: PeerID, on connection: PeerConnection, by deadline: NIODeadline, _ asking: RelayAsking
    ) async throws(TransportError) -> (stream: PeerStream, limit: CircuitLimit?) {
        do throws(RelayError) {
            return try await asking.open(to: target, on: connection, by: deadline)
        } catch {
            if Task.isCancelled { throw TransportError(.cancelled, "the dial through relay \(connection.remotePeer) was cancelled") }
            throw TransportError(.relayRefused, error.message, cause: error.cause is RelayRefusal ? nil : error.cause)
        }
    }

    /// Nothing is bound, and nobody asked, before the listener runs: it asks for a place then, and again whenever it has none.
    ///
    /// `/p2p-circuit` alone stands for places at relays that are found among the peers that are met.
    func listen(on address: Multiaddr) async throws(TransportError) -> any TransportListener {
        if address.components == [.p2pCircuit] { return CircuitListener(nil, in: self.room) }
        guard let circuit = CircuitAddress(address), circuit.target == nil || circuit.target == self.room.host.peerID else {
            throw TransportError(.invalidAddress, "\(address) is no place at a relay: …/p2p/RELAY/p2p-circuit is")
        }
        guard circuit.relay != self.room.host.peerID else {
            throw TransportError(.invalidAddress, "\(address) is a place at this node itself")
        }
        return CircuitListener(circuit, in: self.room)
    }
}
