import NIOCore
import P2PMultiaddr

/// When which address of a dial has its turn, as a value: no clock, no sockets.
///
/// A place is lent, not owned: an address that says nothing keeps nobody from starting beside it, and where the places end it is called
/// back for the next one.
struct DialPlan: Sendable {
    enum Step: Equatable {
        /// Dial this one now.
        case dial(Multiaddr)
        /// End this attempt, which has been silent the longest: another address needs its place. Then say ``DialPlan/failed(_:isRecalled:)``.
        case recall(Multiaddr)
        /// Nothing to do before then, or before an attempt or a look-up ends if that is nil.
        case wait(until: NIODeadline?)
        /// Every address has had its turn, none is being dialled, and no look-up may bring others.
        case exhausted
    }

    /// How long an address that answers, and is in its handshakes, holds the next ones back; and how long after it has become known an
    /// address may be held back, whoever answers meanwhile.
    static let handshakeHold = TimeAmount.seconds(1)
    /// For how long a start counts among those that are limited.
    static let freshTime = TimeAmount.milliseconds(100)
    /// After how long without an answer an attempt may be called back for an address that has not had its turn.
    static let patience = TimeAmount.milliseconds(500)
    /// The same, for one that was called back itself: slow paths get longer the second time.
    static let secondPatience = TimeAmount.seconds(2)
    /// Attempts that are being called back at a time.
    private static let maximumRecalls = 8

    private struct Turn {
        let address: Multiaddr
        let due: NIODeadline
        /// Since when it is known.
        let known: NIODeadline
        /// It was called back.
        var isSecond = false
    }

    private struct Attempt {
        let turn: Turn
        let started: NIODeadline
        var answered: NIODeadline?
        var isRecalled = false

        /// Since when nothing has been heard.
        var silentSince: NIODeadline { self.answered ?? self.started }
    }

    /// By time, those that were called back behind all others.
    private var waiting: [Turn] = []
    private var attempts: [Multiaddr: Attempt] = [:]
    /// Look-ups that may still bring addresses.
    private var lookups = 0
    /// A failure lets the next address start before its time.
    private var isHurried = false
    private let limits: DialLimits

    init(_ limits: DialLimits = DialLimits()) {
        self.limits = limits
    }

    /// Addresses that have not had their turn, and those that wait for their second one.
    var untried: [Multiaddr] { self.waiting.map(\.address) }

    /// Whether the address was called back.
    func wasRecalled(_ address: Multiaddr) -> Bool { self.waiting.contains { $0.isSecond && $0.address == address } }

    /// Attempts that have not ended.
    var openCount: Int { self.attempts.count }

    /// Those beyond what every dial may have open.
    var lentCount: Int { max(0, self.attempts.count - self.limits.ownPlaces) }

    /// Whether the next attempt needs a place that the host lends.
    var needsLoan: Bool { self.attempts.count >= self.limits.ownPlaces }

    /// Since when every address that is known has been started, and nothing else has happened; nil while there is more to try.
    var quietSince: NIODeadline? {
        guard self.waiting.isEmpty, self.lookups == 0 else { return nil }
        return self.attempts.values.lazy.map(\.silentSince).max()
    }

    /// For how long nothing has been heard of an address that is being dialled; nil once it has answered.
    func silence(of address: Multiaddr, at now: NIODeadline) -> TimeAmount? {
        guard let attempt = self.attempts[address], attempt.answered == nil else { return nil }
        return now - attempt.started
    }

    // MARK: What to do

    /// What to do now; ask again after every `.dial` and `.recall`.
    ///
    /// - Parameter isLent: the host lends a place, if one is needed.
    mutating func next(at now: NIODeadline, isLent: Bool = true) -> Step {
        guard let first = self.waiting.first else {
            return self.attempts.isEmpty && self.lookups == 0 ? .exhausted : .wait(until: nil)
        }
        let turn = max(self.turn(of: first, at: now), self.paced(at: now))
        guard turn <= now else { return .wait(until: turn) }
        guard self.attempts.count < (isLent ? self.limits.openAttempts : self.limits.ownPlaces) else {
            return self.makeRoom(for: first, at: now)
        }
        self.waiting.removeFirst()
        self.attempts[first.address] = Attempt(turn: first, started: now)
        self.isHurried = false
        return .dial(first.address)
    }

    private func turn(of first: Turn, at now: NIODeadline) -> NIODeadline {
        let due = self.attempts.isEmpty || self.isHurried ? now : first.due
        let held = self.attempts.values.lazy.filter { !$0.isRecalled }.compactMap(\.answered).max().map { $0 + Self.handshakeHold }
        return held.map { max(due, min($0, first.known + Self.handshakeHold)) } ?? due
    }

    /// When one more may start.
    private func paced(at now: NIODeadline) -> NIODeadline {
        let fresh = self.attempts.values.lazy.map { $0.started + Self.freshTime }.filter { $0 > now }
        guard fresh.count >= self.limits.freshAttempts else { return now }
        return fresh.min() ?? now
    }

    private mutating func makeRoom(for turn: Turn, at now: NIODeadline) -> Step {
        guard self.attempts.values.count(where: \.isRecalled) < min(Self.maximumRecalls, self.waiting.count) else {
            return .wait(until: nil)
        }
        // Before those that are stuck in their handshakes, those that never answered; among equals the one that was dialled first.
        // Nobody is called back from handshakes for a second turn.
        let candidates = self.attempts.values.filter { !$0.isRecalled && !(turn.isSecond && $0.answered != nil) }.sorted { left, right in
            (left.answered == nil ? 0 : 1, left.silentSince, left.turn.due) < (
                right.answered == nil ? 0 : 1, right.silentSince, right.turn.due
            )
        }
        let patience = turn.isSecond ? Self.secondPatience : Self.patience
        guard let silent = candidates.first(where: { $0.silentSince + patience <= now }) else {
            return .wait(until: candidates.map { $0.silentSince + patience }.min())
        }
        self.attempts[silent.turn.address]?.isRecalled = true
        return .recall(silent.turn.address)
    }

    // MARK: What has happened

    /// Addresses became known. Their delays count from now.
    mutating func add(_ addresses: [RankedAddress], at now: NIODeadline) {
        guard !addresses.isEmpty else { return }
        self.wait(for: addresses.map { Turn(address: $0.address, due: now + $0.delay, known: now) })
    }

    private mutating func wait(for turns: [Turn]) {
        self.waiting = (self.waiting + turns).enumerated().sorted { left, right in
            (left.element.isSecond ? 1 : 0, left.element.due, left.offset) < (
                right.element.isSecond ? 1 : 0, right.element.due, right.offset
            )
        }.map(\.element)
    }

    /// So many look-ups have begun that may bring addresses.
    mutating func lookupsBegan(_ count: Int) {
        self.lookups += count
    }

    /// A look-up has ended.
    mutating func lookupEnded() {
        self.lookups -= 1
    }

    /// Somebody answers at the address, and the handshakes have begun.
    mutating func progressed(_ address: Multiaddr, at now: NIODeadline) {
        guard let attempt = self.attempts[address], attempt.answered == nil else { return }
        self.attempts[address]?.answered = now
    }

    /// Whether somebody answers at an address that is being dialled.
    func hasAnswered(_ address: Multiaddr) -> Bool { self.attempts[address]?.answered != nil }

    /// An attempt ended without a connection.
    ///
    /// - Parameter isCancelled: it was called off. If the plan had asked for that, the address has a second turn.
    /// - Returns: whether it has.
    @discardableResult
    mutating func failed(_ address: Multiaddr, isCancelled: Bool = false) -> Bool {
        guard let attempt = self.attempts.removeValue(forKey: address) else { return false }
        if isCancelled, attempt.isRecalled {
            self.wait(for: [Turn(address: address, due: attempt.started, known: attempt.turn.known, isSecond: true)])
            return true
        }
        self.isHurried = true
        return false
    }

    /// An attempt ended with a connection, and the plan goes on for a better one: those for which that does not hold lose their turns.
    mutating func succeeded(_ address: Multiaddr, goingOnWith isBetter: (Multiaddr) -> Bool) {
        self.attempts[address] = nil
        self.waiting.removeAll { !isBetter($0.address) }
    }
}
