import NIOCore

/// How much a peer may send on all streams of a connection together before somebody must consume, in bytes.
///
/// It grows with the round trip, within its own bound and the budget of the host: streams share it, so that what a connection can
/// hold in memory is this and no more.
struct QUICConnectionWindow {
    /// Below this the scheduler, not the network, makes the round trip.
    static let roundTripFloor: TimeAmount = .microseconds(200)
    /// A window of which half is consumed within this many round trips is too small for its path.
    static let growthRoundTrips = 2

    let initial: UInt64
    let maximum: UInt64
    private(set) var size: UInt64
    private var consumed: UInt64 = 0
    /// When half a window had been consumed before.
    private var epoch: NIODeadline

    init(initial: UInt64, maximum: UInt64, now: NIODeadline) {
        self.initial = initial
        self.maximum = max(initial, maximum)
        self.size = initial
        self.epoch = now
    }

    /// How far it has grown.
    var growth: UInt64 { self.size - self.initial }

    /// Somebody took `count` bytes. Whether that was half a window since the last time, so that its growth is to be asked for.
    mutating func consume(_ count: UInt64) -> Bool {
        self.consumed += count
        guard self.consumed >= self.size / 2 else { return false }
        self.consumed = 0
        return true
    }

    /// By how much the window ought to grow now that half of it was consumed: not at all, or as much again as it is.
    mutating func wantedGrowth(roundTrip: TimeAmount, now: NIODeadline) -> UInt64 {
        let taken = now - self.epoch
        self.epoch = now
        guard taken < max(roundTrip, Self.roundTripFloor) * Self.growthRoundTrips else { return 0 }
        return min(self.size, self.maximum - self.size)
    }

    /// The peer was given so many bytes beyond what was consumed.
    mutating func grow(by count: UInt64) { self.size += count }
}
