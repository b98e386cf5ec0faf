package import NIOCore
import P2PCore
package import P2PIdentity

/// Whom a host dials of its own accord, and when, as a value: peers that are to stay connected, and those that were discovered.
package struct RedialSchedule: Sendable {
    private enum Phase: Equatable {
        case connected
        case dialling
        case waiting(until: NIODeadline)
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
    }

    /// Dials of this kind at a time.
    package static let concurrentDials = 8
    /// Peers that are to stay connected.
    package static let keptLimit = 1_024
    /// Discovered peers that wait for their dial; those beyond wait until they are reported again.
    package static let discoveredLimit = 1_024
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
        if self.entries[peer] != nil {
            self.entries[peer]?.isKept = true
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
        // It is there: whatever kept it from answering may be over.
        if entry.isKept, case .waiting(let planned) = entry.phase { self.entries[peer]?.phase = .waiting(until: min(planned, due)) }
    }

    package mutating func connected(_ peer: PeerID) {
        guard self.entries[peer]?.isKept == true else {
            self.entries[peer] = nil
            return
        }
        self.entries[peer]?.phase = .connected
        self.entries[peer]?.failures = 0
    }

    /// The last connection to the peer has ended.
    package mutating func lost(_ peer: PeerID, at now: NIODeadline) {
        guard let entry = self.entries[peer], entry.phase == .connected else { return }
        self.entries[peer]?.phase = .waiting(until: now + self.jitter.milliseconds(0...250))
        self.entries[peer]?.missingSince = now
    }

    /// A dial that ``next(at:)`` asked for has failed.
    package mutating func failed(_ peer: PeerID, at now: NIODeadline) {
        guard let entry = self.entries[peer], entry.phase == .dialling else { return }
        let isEarly = entry.isKept && now - entry.missingSince < Self.earlyTime
        let longest = isEarly ? Self.longestEarlyPause : Self.longestLatePause
        let pause = min(Self.firstPause << Int64(min(entry.failures, 20)), longest)
        self.entries[peer]?.failures = min(entry.failures + 1, 1_000)
        self.entries[peer]?.phase = .waiting(until: now + self.jitter.milliseconds((pause / 2)...pause))
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

    /// Peers to dial now. Say ``connected(_:)`` or ``failed(_:at:)`` of each.
    package mutating func next(at now: NIODeadline) -> [PeerID] {
        self.entries = self.entries.filter { $0.value.isKept || $0.value.phase == .dialling || $0.value.vouchedUntil > now }
        guard !self.isSuspended else { return [] }
        let due = self.entries.compactMap { peer, entry -> (peer: PeerID, isKept: Bool, since: NIODeadline)? in
            guard case .waiting(let until) = entry.phase, until <= now else { return nil }
            return (peer, entry.isKept, until)
        }
        let chosen = due.sorted { $0.isKept == $1.isKept ? ($0.since, $0.peer) < ($1.since, $1.peer) : $0.isKept }.prefix(
            max(0, self.freeSlots)
        ).map(\.peer)
        for peer in chosen { self.entries[peer]?.phase = .dialling }
        return chosen
    }

    /// When ``next(at:)`` has something to say, unless a fact changes that.
    package var deadline: NIODeadline? {
        guard !self.isSuspended, self.freeSlots > 0 else { return nil }
        return self.entries.values.compactMap { entry in
            guard case .waiting(let until) = entry.phase else { return nil }
            return until
        }.min()
    }

    private var freeSlots: Int { Self.concurrentDials - self.entries.values.count { $0.phase == .dialling } }
}
