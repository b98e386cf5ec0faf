import P2PIdentity
import Synchronization

/// Counts a circuit between two peers for as long as it lives.
final class CircuitSeat: Sendable {
    let source: PeerID
    let target: PeerID
    private let desk: RelayDesk
    private let bytes = Atomic<UInt64>(0)

    /// A circuit that the desk has begun.
    init(from source: PeerID, to target: PeerID, at desk: RelayDesk) {
        self.source = source
        self.target = target
        self.desk = desk
    }

    deinit { self.desk.end(from: self.source, to: self.target, carried: self.bytes.load(ordering: .relaxed)) }

    /// The circuit has carried so many bytes in all.
    func carried(_ bytes: UInt64) { self.bytes.store(bytes, ordering: .relaxed) }
}
