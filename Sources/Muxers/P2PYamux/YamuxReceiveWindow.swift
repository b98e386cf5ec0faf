import NIOCore

/// Credit that the peer holds on one stream, in bytes.
///
/// Returned when the reader *consumes*, not when bytes arrive, so a slow reader slows its own peer and nobody else
/// (yamux spec, "Flow Control"). Returned in halves of the window, so that updates are few.
struct YamuxReceiveWindow: Sendable {
    /// Below this the scheduler, not the network, makes the round trip.
    static let roundTripFloor: TimeAmount = .microseconds(200)
    /// A window of which half is consumed within this many round trips is too small for its path.
    static let growthRoundTrips = 2

    /// What the peer may still send.
    private(set) var credit: UInt32 = YamuxConfiguration.initialWindow
    /// What it may send in all before the reader must consume.
    private(set) var size: UInt32 = YamuxConfiguration.initialWindow
    /// Consumed and not yet returned.
    private(set) var consumed: UInt32 = 0
    /// When credit was last returned.
    private var epoch: NIODeadline

    init(now: NIODeadline) { self.epoch = now }

    /// How far the window has grown.
    var growth: UInt64 { UInt64(self.size - YamuxConfiguration.initialWindow) }

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

    /// The bytes by which the window ought to grow: none, or as much again as it is.
    func wantedGrowth(maximum: UInt32, roundTrip: TimeAmount?, now: NIODeadline) -> UInt32 {
        guard let roundTrip, self.size < maximum else { return 0 }
        guard now - self.epoch < max(roundTrip, Self.roundTripFloor) * Self.growthRoundTrips else { return 0 }
        return min(self.size, maximum - self.size)
    }

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
