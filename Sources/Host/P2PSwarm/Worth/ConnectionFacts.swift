import NIOCore
import P2PCore
import P2PIdentity

/// What is to be known of a connection to say what it is worth, and that value: a pure function of these facts, the crowd and the time.
struct ConnectionFacts: Sendable {
    /// Younger than this it is not closed for another.
    static let youth = TimeAmount.seconds(5)
    /// For so long after something has moved, one with streams counts as one with work in flight.
    static let busyTime = TimeAmount.seconds(30)

    let id: ConnectionID
    let peer: PeerID
    /// The network from which it came; nil for one that this node dialled.
    var crowd: NetworkKey?
    var isDialled: Bool
    /// Whether a relay lends it.
    var isLimited = false
    /// Whether its peer or its network is on the list.
    var isAllowed = false
    /// It is being closed.
    var isLeaving = false
    /// Whether new streams to its peer go over another connection.
    var isSpare = false
    var streams = 0
    let opened: NIODeadline
    /// When something last moved on it.
    var movedAt: NIODeadline
    /// What was said of its peer.
    var tags: [ConnectionValue.Reason] = []
    var protections: [String] = []

    /// What the connection is worth.
    ///
    /// - Parameter neighbours: connections that came from its network, itself among them.
    func value(among neighbours: Int, at now: NIODeadline) -> ConnectionValue {
        var reasons: [ConnectionValue.Reason] = []
        func count(_ name: String, _ points: Int) { reasons.append(ConnectionValue.Reason(name, points)) }
        // What the peer is worth stands with the connection over which it is reached.
        if self.isSpare { count("spare", -100) } else { reasons += self.tags }
        if self.isDialled { count("dialled", 50) }
        if self.isLimited { count("limited", -20) }
        count("streams", 5 * min(self.streams, 4))
        count("age", Self.steps((now - self.opened).nanoseconds / Self.minute) * 5)
        let idle = max(0, (now - self.movedAt).nanoseconds)
        count("idle", -(self.streams > 0 ? 0 : Self.idlePoints(idle)))
        if self.crowd != nil { count("crowd", -10 * Self.steps(Int64(neighbours) / 2)) }
        return ConnectionValue(reasons: reasons, hold: self.hold(at: now))
    }

    /// Why it stays whatever it is worth.
    func hold(at now: NIODeadline) -> ConnectionValue.Hold? {
        if self.isLeaving { return .leaving }
        if !self.protections.isEmpty { return .protected(for: self.protections) }
        if self.isAllowed { return .allowed }
        if now - self.opened < Self.youth { return .young }
        return self.streams > 0 && now - self.movedAt < Self.busyTime ? .busy : nil
    }

    private static let minute: Int64 = 60_000_000_000

    /// One for each time that the count has doubled: 0 for 0, 1 for 1, 2 for 2 and 3, 3 for 4 to 7.
    private static func steps(_ count: Int64) -> Int { count > 0 ? Int64.bitWidth - count.leadingZeroBitCount : 0 }

    /// 1 for each of the first ten seconds, 10 more each time that the silence has doubled, 60 from five minutes on.
    private static func idlePoints(_ nanoseconds: Int64) -> Int {
        let seconds = nanoseconds / 1_000_000_000
        return seconds < 10 ? Int(seconds) : min(60, 10 * Self.steps(seconds / 10))
    }
}
