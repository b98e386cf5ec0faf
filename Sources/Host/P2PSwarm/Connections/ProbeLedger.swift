import NIOCore
import P2PIdentity

/// Whose connections are being asked whether they live, and whose were lately, as a value.
struct ProbeLedger: Sendable {
    /// Peers whose connections are asked at a time.
    static let concurrent = 32
    /// How long a peer whose connections all answered is left in peace: opening one after the other gains it nothing.
    static let pause = TimeAmount.seconds(5)
    /// Peers that are left in peace; the one whose time ends first makes room.
    static let limit = 1_024

    private var running: Set<PeerID> = []
    private var resting: [PeerID: NIODeadline] = [:]

    var count: Int { self.running.count + self.resting.count }

    /// Whether the peer's connections may be asked now; then say ``ended(_:foundDead:at:)``.
    mutating func begin(_ peer: PeerID, at now: NIODeadline) -> Bool {
        guard self.running.count < Self.concurrent, !self.running.contains(peer) else { return false }
        if let until = self.resting[peer], until > now { return false }
        self.resting[peer] = nil
        self.running.insert(peer)
        return true
    }

    /// The peer's connections were asked.
    ///
    /// - Parameter foundDead: some of them did not answer.
    mutating func ended(_ peer: PeerID, foundDead: Bool, at now: NIODeadline) {
        guard self.running.remove(peer) != nil, !foundDead else { return }
        if self.resting.count >= Self.limit { self.makeRoom(at: now) }
        self.resting[peer] = now + Self.pause
    }

    private mutating func makeRoom(at now: NIODeadline) {
        self.resting = self.resting.filter { $0.value > now }
        guard self.resting.count >= Self.limit else { return }
        if let first = self.resting.min(by: { $0.value < $1.value }) { self.resting[first.key] = nil }
    }
}
