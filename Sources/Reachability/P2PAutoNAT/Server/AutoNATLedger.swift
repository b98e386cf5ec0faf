import NIOCore
import P2PCore
import P2PIdentity

/// Who may ask how often to be dialled: a value.
struct AutoNATLedger {
    /// How many requests are taken in a minute, and by whom.
    struct Limits: Sendable {
        var perMinute: Int
        var perPeer: Int
        /// Of those for which somebody else's address was dialled.
        var foreign: Int
        /// At once, of one peer.
        var atOnce: Int

        /// As go-libp2p has them.
        static let version1 = Limits(perMinute: 30, perPeer: 3, foreign: 0, atOnce: 3)
        static let version2 = Limits(perMinute: 60, perPeer: 12, foreign: 12, atOnce: 2)
    }

    private static let period = TimeAmount.minutes(1)

    private let limits: Limits
    private var requests: [(peer: PeerID, at: NIODeadline)] = []
    private var foreign: [NIODeadline] = []
    private var active: [PeerID: Int] = [:]

    init(_ limits: Limits) {
        self.limits = limits
    }

    /// Takes a request; false when there are too many. Whoever is let in has to ``end(_:)``.
    mutating func begin(_ peer: PeerID, at now: NIODeadline) -> Bool {
        self.requests.removeAll { now - $0.at >= Self.period }
        guard self.requests.count < self.limits.perMinute, self.requests.count(where: { $0.peer == peer }) < self.limits.perPeer,
            self.active[peer, default: 0] < self.limits.atOnce
        else { return false }
        self.requests.append((peer, now))
        self.active[peer, default: 0] += 1
        return true
    }

    /// Whether somebody else's address may be dialled, too.
    mutating func mayDialForeign(at now: NIODeadline) -> Bool {
        self.foreign.removeAll { now - $0 >= Self.period }
        guard self.foreign.count < self.limits.foreign else { return false }
        self.foreign.append(now)
        return true
    }

    mutating func end(_ peer: PeerID) {
        guard let count = self.active[peer] else { return }
        self.active[peer] = count > 1 ? count - 1 : nil
    }

    var activePeers: Int { self.active.count }
}
