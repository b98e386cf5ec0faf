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
    /// No reader who is behind makes the window smaller than this, in bytes.
    static let narrowest: UInt32 = 64 * 1_024

    /// What the peer may still send.
    private(set) var credit: UInt32 = YamuxConfiguration.initialWindow
    /// What it may send in all before the reader must consume.
    private(set) var size: UInt32 = YamuxConfiguration.initialWindow
    /// Consumed and not yet returned.
    private(set) var consumed: UInt32 = 0
    /// When credit was last returned.
    private var epoch: NIODeadline

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

    /// How small the window of a reader who passes the bytes on is to be, where it is to be smaller. He has never left less than `least` of them since the last
    /// update: where that is a quarter of the window, whoever takes them is slower than the peer. And of what waits there are `surplus` bytes too many.
    func wantedSize(least: Int, surplus: Int) -> UInt32? {
        if least >= Int(self.size / 4) { return Self.narrowest }
        return surplus > 0 ? max(Self.narrowest, self.size - min(self.size, UInt32(clamping: surplus))) : nil
    }

    /// Half of what was consumed makes the window smaller, to `wanted` at most, instead of being returned: less waits here, and the peer goes on.
    mutating func narrow(to wanted: UInt32) {
        let surplus = min(self.consumed / 2, self.size - min(self.size, wanted))
        self.size -= surplus
        self.consumed -= surplus
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
