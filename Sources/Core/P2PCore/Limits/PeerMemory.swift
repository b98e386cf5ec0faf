package import P2PIdentity
import Synchronization

/// What the connections of one peer hold together.
package final class PeerMemory: Sendable {
    package let peer: PeerID
    private let bytes = Atomic(0)

    init(_ peer: PeerID) {
        self.peer = peer
    }

    /// Bytes that its connections have taken.
    package var held: Int { self.bytes.load(ordering: .relaxed) }

    func change(by bytes: Int) -> Int { self.bytes.wrappingAdd(bytes, ordering: .relaxed).newValue }
}
