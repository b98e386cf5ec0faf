import NIOCore
import P2PIdentity

/// What is remembered of peers' introductions, so that an old record is not taken for a new one and nobody pushes without end.
///
/// A value: time is an argument. Bounded: with ``IdentifyLimits/rememberedPeers`` peers, the one that came first is forgotten.
struct IntroductionLedger {
    private struct Entry {
        var sequence: UInt64 = 0
        var pushes = IdentifyLimits.pushBurst
        var replenishedAt: NIODeadline
    }

    private var entries: [PeerID: Entry] = [:]
    private var order = CircularBuffer<PeerID>()
    private let limit: Int

    init(limit: Int = IdentifyLimits.rememberedPeers) {
        self.limit = max(1, limit)
    }

    /// How many peers are remembered.
    var count: Int { self.entries.count }

    /// Remembers the sequence number of a verified record; false when a newer one was seen.
    mutating func admitRecord(of peer: PeerID, sequence: UInt64, at now: NIODeadline) -> Bool {
        var entry = self.entry(of: peer, at: now)
        guard sequence >= entry.sequence else { return false }
        entry.sequence = sequence
        self.entries[peer] = entry
        return true
    }

    /// Counts a push; false when the peer has made too many.
    mutating func admitPush(from peer: PeerID, at now: NIODeadline) -> Bool {
        var entry = self.entry(of: peer, at: now)
        defer { self.entries[peer] = entry }
        let interval = TimeAmount(IdentifyLimits.pushInterval)
        let due = max(0, (now - entry.replenishedAt).nanoseconds / max(1, interval.nanoseconds))
        if due >= Int64(IdentifyLimits.pushBurst - entry.pushes) {
            entry.pushes = IdentifyLimits.pushBurst
            entry.replenishedAt = now
        } else {
            entry.pushes += Int(due)
            entry.replenishedAt = entry.replenishedAt + .nanoseconds(interval.nanoseconds * due)
        }
        guard entry.pushes > 0 else { return false }
        entry.pushes -= 1
        return true
    }

    private mutating func entry(of peer: PeerID, at now: NIODeadline) -> Entry {
        if let entry = self.entries[peer] { return entry }
        if self.order.count >= self.limit, let oldest = self.order.popFirst() { self.entries[oldest] = nil }
        self.order.append(peer)
        let entry = Entry(replenishedAt: now)
        self.entries[peer] = entry
        return entry
    }
}
