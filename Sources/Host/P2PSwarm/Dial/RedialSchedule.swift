package import NIOCore
import P2PCore
package import P2PIdentity

/// Whom a host dials of its own accord, and when, as a value: peers that are to stay connected, and those that were discovered.
package struct RedialSchedule: Sendable {
    private enum Phase: Equatable {
        case connected
        case dialling(since: NIODeadline)
        case waiting(until: NIODeadline)

        /// Since when it is dialled, if it is.
        var diallingSince: NIODeadline? { if case .dialling(let since) = self { since } else { nil } }
    }

    private struct Entry {
        /// To be dialled again after every loss.
        var isKept: Bool
        /// Until when whoever discovered it vouches for it.
        var vouchedUntil: NIODeadline
        var phase: Phase
        var failures = 0
        /// Since when it has been missing.
        var missingSince: NIODeadline
        /// Whether it was reported while it was being dialled.
        var isFoundAgain = false
        /// When the pause after its last failure ends, however long its addresses are left alone.
        var pausedUntil: NIODeadline?
    }

    /// Dials of this kind that are in their first ``freshTime``. The place is lent: peers that do not answer keep it from nobody.
    package static let concurrentDials = 8
    /// How long a dial keeps the next one from starting beside it.
    package static let freshTime = TimeAmount.milliseconds(250)
    /// Dials that are under way, of peers that are to stay connected and of those that were discovered each: neither kind can keep the
    /// other from being dialled.
    package static let openDials = 32
    /// Peers that are to stay connected.
    package static let keptLimit = 1_024
    /// Discovered peers that wait for their dial; those beyond wait until they are reported again.
    package static let discoveredLimit = 1_024
    /// Bytes that a peer takes here, roughly.
    package static let entrySize = 256
    /// The pause after the first failure, in milliseconds; it doubles from then on.
    private static let firstPause: Int64 = 250
    /// The longest pause for a peer that has not been missing for long, in milliseconds: short, so that a network that heals is
    /// noticed within seconds.
    private static let longestEarlyPause: Int64 = 2_000
    /// For how long it is that short.
    private static let earlyTime = TimeAmount.minutes(5)
    /// The longest pause for a peer that is missing for good, in milliseconds.
    private static let longestLatePause: Int64 = 60_000

    private var entries: [PeerID: Entry] = [:]
    private var jitter: Jitter
    private var isSuspended = false

    package init(seed: UInt64) {
        self.jitter = Jitter(seed: seed)
    }

    /// Draws the pauses to come from another seed.
    package mutating func seed(_ seed: UInt64) {
        self.jitter = Jitter(seed: seed)
    }

    /// Whether any peer is to stay connected.
    package var keepsAny: Bool { self.entries.values.contains { $0.isKept } }

    package func keeps(_ peer: PeerID) -> Bool { self.entries[peer]?.isKept ?? false }

    /// Peers that are to stay connected.
    package var kept: [PeerID] { self.entries.filter(\.value.isKept).map(\.key) }

    package var count: Int { self.entries.count }

    // MARK: Facts

    /// The peer is to stay connected; false when there are too many of them.
    package mutating func keep(_ peer: PeerID, isConnected: Bool, at now: NIODeadline) -> Bool {
        if let entry = self.entries[peer] {
            self.entries[peer]?.isKept = true
            if !entry.isKept, case .waiting(let planned) = entry.phase {
                self.entries[peer]?.phase = .waiting(until: min(planned, now))
                self.entries[peer]?.failures = 0
                self.entries[peer]?.missingSince = now
            }
            return true
        }
        guard self.entries.values.count(where: \.isKept) < Self.keptLimit else { return false }
        self.entries[peer] = Entry(
            isKept: true, vouchedUntil: now, phase: isConnected ? .connected : .waiting(until: now), missingSince: now)
        return true
    }

    /// The peer need not stay connected any more.
    package mutating func release(_ peer: PeerID) {
        self.entries[peer] = nil
    }

    /// A peer was discovered that is not connected.
    ///
    /// - Parameter yields: give the peer a moment to dial first, since it has probably discovered this node as well.
    package mutating func found(_ peer: PeerID, until: NIODeadline, yields: Bool, at now: NIODeadline) {
        let due = now + self.jitter.milliseconds(yields ? 800...1_200 : 0...100)
        guard let entry = self.entries[peer] else {
            guard self.entries.values.count(where: { !$0.isKept }) < Self.discoveredLimit else { return }
            self.entries[peer] = Entry(isKept: false, vouchedUntil: until, phase: .waiting(until: due), missingSince: now)
            return
        }
        self.entries[peer]?.vouchedUntil = max(entry.vouchedUntil, until)
        if entry.phase.diallingSince != nil { self.entries[peer]?.isFoundAgain = true }
        // It is there: whatever kept it from answering may be over.
        guard case .waiting(let planned) = entry.phase else { return }
        if let sooner = entry.isKept ? due : entry.pausedUntil.map({ max($0, due) }) {
            self.entries[peer]?.phase = .waiting(until: min(planned, sooner))
        }
    }

    package mutating func connected(_ peer: PeerID) {
        guard self.entries[peer]?.isKept == true else {
            self.entries[peer] = nil
            return
        }
        self.entries[peer]?.phase = .connected
        self.entries[peer]?.failures = 0
    }

    /// A dial that ``next(at:)`` asked for has succeeded, and the connection is over by now. Whoever reported the peer meanwhile may have known.
    package mutating func connectedAndLost(_ peer: PeerID, at now: NIODeadline) {
        guard let entry = self.entries[peer], entry.phase.diallingSince != nil else { return }
        self.connected(peer)
        self.lost(peer, at: now)
        if !entry.isKept, entry.isFoundAgain { self.found(peer, until: entry.vouchedUntil, yields: false, at: now) }
    }

    /// The last connection to the peer has ended.
    package mutating func lost(_ peer: PeerID, at now: NIODeadline) {
        guard let entry = self.entries[peer], entry.phase == .connected else { return }
        self.entries[peer]?.phase = .waiting(until: now + self.jitter.milliseconds(0...250))
        self.entries[peer]?.missingSince = now
    }

    /// A dial that ``next(at:)`` asked for has failed.
    ///
    /// - Parameter alone: until when the addresses that failed are left alone: a dial before that would try none. Nil where that does not hold for this dial.
    package mutating func failed(_ peer: PeerID, leftAloneUntil alone: NIODeadline? = nil, at now: NIODeadline) {
        guard let entry = self.entries[peer], entry.phase.diallingSince != nil else { return }
        let isEarly = entry.isKept && now - entry.missingSince < Self.earlyTime
        let longest = isEarly ? Self.longestEarlyPause : Self.longestLatePause
        let pause = min(Self.firstPause << Int64(min(entry.failures, 20)), longest)
        self.entries[peer]?.failures = min(entry.failures + 1, 1_000)
        self.entries[peer]?.isFoundAgain = false
        let due = now + self.jitter.milliseconds((pause / 2)...pause)
        // No longer than a pause may be: others may find the peer elsewhere. Dials of kept peers leave no address alone.
        let alone = entry.isKept ? nil : alone.map { min($0, now + .milliseconds(Self.longestLatePause)) }
        self.entries[peer]?.phase = .waiting(until: max(due, alone ?? due))
        self.entries[peer]?.pausedUntil = due
    }

    /// The network is another one than before: whoever did not answer may now.
    package mutating func networkChanged(at now: NIODeadline) {
        for (peer, entry) in self.entries.sorted(by: { $0.key < $1.key }) {
            guard case .waiting(let planned) = entry.phase else { continue }
            self.entries[peer]?.phase = .waiting(until: min(planned, now + self.jitter.milliseconds(0...300)))
            self.entries[peer]?.failures = 0
            self.entries[peer]?.missingSince = now
        }
    }

    /// No dials from now on.
    package mutating func suspend() {
        self.isSuspended = true
    }

    /// Dials again, at once.
    package mutating func resume(at now: NIODeadline) {
        self.isSuspended = false
        self.networkChanged(at: now)
    }

    // MARK: Decisions

    /// Peers to dial now. Say ``connected(_:)``, ``connectedAndLost(_:at:)`` or ``failed(_:at:)`` of each.
    package mutating func next(at now: NIODeadline) -> [PeerID] {
        self.entries = self.entries.filter { $0.value.isKept || $0.value.phase.diallingSince != nil || $0.value.vouchedUntil > now }
        guard !self.isSuspended else { return [] }
        let fresh = self.entries.values.count { $0.phase.diallingSince.map { $0 + Self.freshTime > now } ?? false }
        let kept = self.due(areKept: true, at: now)
        let chosen = (kept + self.due(areKept: false, at: now)).prefix(max(0, Self.concurrentDials - fresh))
        for peer in chosen { self.entries[peer]?.phase = .dialling(since: now) }
        return Array(chosen)
    }

    /// Those of a kind whose time has come and for whom there is a place, first those that have failed the least.
    private func due(areKept: Bool, at now: NIODeadline) -> [PeerID] {
        let due = self.entries.compactMap { peer, entry -> (failures: Int, since: NIODeadline, peer: PeerID)? in
            guard entry.isKept == areKept, case .waiting(let until) = entry.phase, until <= now else { return nil }
            return (entry.failures, until, peer)
        }
        return due.sorted { ($0.failures, $0.since, $0.peer) < ($1.failures, $1.since, $1.peer) }.prefix(self.places(areKept: areKept)).map(
            \.peer)
    }

    private func places(areKept: Bool) -> Int {
        max(0, Self.openDials - self.entries.values.count { $0.isKept == areKept && $0.phase.diallingSince != nil })
    }

    /// When ``next(at:)`` has something to say, unless a fact changes that.
    package var deadline: NIODeadline? {
        guard !self.isSuspended else { return nil }
        let turns = [true, false].compactMap { self.turn(areKept: $0) }
        let starts = self.entries.values.compactMap(\.phase.diallingSince).sorted(by: >)
        guard let turn = turns.min() else { return nil }
        return starts.count < Self.concurrentDials ? turn : max(turn, starts[Self.concurrentDials - 1] + Self.freshTime)
    }

    private func turn(areKept: Bool) -> NIODeadline? {
        guard self.places(areKept: areKept) > 0 else { return nil }
        return self.entries.values.compactMap { entry in
            guard entry.isKept == areKept, case .waiting(let until) = entry.phase else { return nil }
            return until
        }.min()
    }
}
