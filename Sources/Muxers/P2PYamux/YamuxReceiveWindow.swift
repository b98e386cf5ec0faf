import NIOCore
import P2PCore

/// Credit that the peer holds on one stream, in bytes.
///
/// Returned when the reader *consumes*, not when bytes arrive, so a slow reader slows its own peer and nobody else
/// (yamux spec, "Flow Control"). Returned in halves of the window, so that updates are few.
struct YamuxReceiveWindow: Sendable {
    /// Below this the scheduler, not the network, makes the round trip.
    static let roundTripFloor: TimeAmount = .microseconds(200)
    /// A window of which half is consumed within this many round trips is too small for its path.
    static let growthRoundTrips = 2
    /// How small a window gets for a reader who is behind now and then, and for one who always is, in bytes.
    static let narrow: UInt32 = 128 * 1_024
    static let narrowest: UInt32 = 64 * 1_024
    /// For a reader who passes bytes on a window grows once little has waited at so many updates in a row.
    static let clearStreakToGrow: UInt8 = 16
    /// An eighth of the window is much, where that is no less than this: one record may bring as much at once. In bytes.
    static let leastBacklog = 32 * 1_024

    /// What the peer may still send.
    private(set) var credit: UInt32 = YamuxConfiguration.initialWindow
    /// What it may send in all before the reader must consume.
    private(set) var size: UInt32 = YamuxConfiguration.initialWindow
    /// Consumed and not yet returned.
    private(set) var consumed: UInt32 = 0
    /// When credit was last returned.
    private var epoch: NIODeadline
    /// Updates in a row at which little waited; no further than ``clearStreakToGrow``.
    private var clearStreak: UInt8 = 0

    init(now: NIODeadline) { self.epoch = now }

    /// How far the window has grown beyond what the protocol gives.
    var growth: UInt64 { UInt64(max(self.size, YamuxConfiguration.initialWindow) - YamuxConfiguration.initialWindow) }

    /// `count` bytes are announced by a data frame; false when that is more than the credit.
    mutating func spend(_ count: UInt32) -> Bool {
        guard count <= self.credit else { return false }
        self.credit -= count
        return true
    }

    /// The reader took `count` bytes.
    mutating func consume(_ count: UInt32) {
        self.consumed = min(self.consumed &+ count, self.size - self.credit)
    }

    /// Whether half a window waits to be returned.
    var isUpdateDue: Bool { self.consumed >= self.size / 2 }

    /// Fits the window to a reader who passes the bytes on.
    ///
    /// Where an eighth of the window waits for him, more credit would be more that waits; where a quarter has waited ever since the last update, whoever
    /// takes the bytes is slower than the peer. Then half of what was consumed makes the window smaller instead of being returned: less waits here, and
    /// the peer goes on.
    /// - Returns: whether the window may grow.
    mutating func follow(_ backlog: StreamBuffer.Backlog) -> Bool {
        let isAlwaysBehind = backlog.least >= Int(self.size / 4)
        let isBehind = isAlwaysBehind || backlog.now >= max(Int(self.size / 8), Self.leastBacklog)
        self.clearStreak = isBehind ? 0 : min(self.clearStreak + 1, Self.clearStreakToGrow)
        if isBehind {
            let least = isAlwaysBehind ? Self.narrowest : Self.narrow
            let surplus = min(self.consumed / 2, self.size - min(self.size, least))
            self.size -= surplus
            self.consumed -= surplus
        }
        return self.clearStreak == Self.clearStreakToGrow
    }

    /// The bytes by which the window ought to grow: none, or as much again as it is.
    func wantedGrowth(maximum: UInt32, roundTrip: TimeAmount?, now: NIODeadline) -> UInt32 {
        guard let roundTrip, self.size < maximum else { return 0 }
        guard now - self.epoch < max(roundTrip, Self.roundTripFloor) * Self.growthRoundTrips else { return 0 }
        return min(self.size, maximum - self.size)
    }

    /// What the protocol gives, and was not returned: growth by so much needs no reservation.
    var shortfall: UInt32 { YamuxConfiguration.initialWindow - min(self.size, YamuxConfiguration.initialWindow) }

    /// Returns what was consumed and grows the window: the credit to announce.
    mutating func update(growingBy growth: UInt32, at now: NIODeadline) -> UInt32 {
        let delta = self.consumed + growth
        self.size += growth
        self.credit += delta
        self.consumed = 0
        self.epoch = now
        return delta
    }
}
