import NIOCore

/// How much an event loop's own work may do before the loop looks at its sockets again. No loop, no clock.
///
/// NIO runs what is put on a loop, and what that puts there, before it polls. Work that brings about more of itself (a handler that
/// writes as fast as the socket takes it) would keep every other connection of the loop waiting, so it is done in turns.
struct LoopTurn {
    /// What the loop was doing when the work came up.
    enum Phase {
        /// It has polled, and tells of what it saw.
        case events
        /// It runs what was put on it.
        case tasks
    }

    /// Bytes that a turn writes, give or take a connection's share.
    static let maximumBytes = 16 * 1_048_576
    /// Time that a turn takes, give or take some pieces of work. What lies between two turns takes some 50 µs.
    static let maximumTime = TimeAmount.milliseconds(5)
    /// The clock is read before the first piece of work, and then after so many: it costs as much as a small piece.
    static let piecesBetweenLooks = 8

    private var phase = Phase.events
    private var bytes = 0
    private var pieces = 0
    private var began: NIODeadline?
    private var time = TimeAmount.zero

    /// The loop has to look at its sockets before there is more.
    var isOver: Bool { self.bytes >= Self.maximumBytes || self.time >= Self.maximumTime }

    /// Events come after a poll, and tasks after all events of a poll: a change from one to the other begins a turn.
    mutating func enter(_ phase: Phase) {
        if phase != self.phase { self.begin(phase) }
    }

    /// The loop has polled.
    mutating func begin(_ phase: Phase) {
        self = LoopTurn()
        self.phase = phase
    }

    mutating func spend(bytes: Int) { self.bytes += bytes }

    /// A piece of work is about to be done; true when it is time for ``look(at:)``.
    mutating func count() -> Bool {
        defer { self.pieces += 1 }
        return self.pieces % Self.piecesBetweenLooks == 0
    }

    /// What the clock says.
    mutating func look(at now: NIODeadline) {
        if let began { self.time = now - began } else { self.began = now }
    }
}
