import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PPipeline
import Synchronization

/// A circuit that a relay offers, before this node has agreed to it.
final class PendingCircuit: PendingConnection {
    /// Fires when nothing is left of the circuit.
    let over = Signal()
    let progress: ArrivalProgress?

    private let stream: PeerStream
    private let relay: ConnectionInfo
    /// Who is there, as the relay says; the handshakes have to prove it.
    private let source: PeerID
    private let limit: CircuitLimit?
    private let room: CircuitRoom
    private let isDecided = Atomic(false)

    /// Has one of the room's places until it is decided on, and its handshakes are over.
    init(_ stream: PeerStream, from source: PeerID, limit: CircuitLimit?, relay: ConnectionInfo, in room: CircuitRoom) {
        self.stream = stream
        self.source = source
        self.limit = limit
        self.relay = relay
        self.room = room
        self.progress = ArrivalProgress()
    }

    deinit {
        self.refuse()
    }

    var localAddress: Multiaddr { self.relay.localAddress }

    /// With the peer that the relay names, for whoever decides by that.
    var remoteAddress: Multiaddr {
        let place = CircuitAddress.place(at: self.relay.remoteAddress, of: self.relay.remotePeer)
        return (place ?? self.relay.remoteAddress).withPeerID(self.source)
    }

    func accept() async throws(TransportError) -> any MuxedConnection {
        guard !self.isDecided.exchange(true, ordering: .relaxed) else {
            throw TransportError(.closed, "the circuit from \(self.source) was decided on before")
        }
        defer { self.room.takeBackPlace() }
        self.answer(.ok)
        let bytes = await self.room.mount(self.stream, limit: self.limit, of: self.relay, progress: self.progress)
        bytes.channel.closeFuture.whenComplete { _ in self.over.fire() }
        return try await self.room.upgrader.upgrade(
            bytes, role: .listener, isDialled: false, expecting: self.source, deadline: .now() + self.room.upgrader.inboundTimeout)
    }

    func refuse() {
        guard !self.isDecided.exchange(true, ordering: .relaxed) else { return }
        self.room.takeBackPlace()
        self.answer(.permissionDenied)
        self.over.fire()
    }

    private func answer(_ status: RelayStatus) {
        _ = self.stream.muxed.tryWrite(StopMessage(.status, status: status).encoded.framed)
    }
}
