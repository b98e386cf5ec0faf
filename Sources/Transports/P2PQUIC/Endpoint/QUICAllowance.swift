import NIOCore

/// So many packets a second and no more: what answers strangers must not be worth asking for.
struct QUICAllowance: Sendable {
    /// How many a second, and how many at once.
    let limit: Int
    private var left: Int
    private var epoch: NIODeadline

    init(limit: Int, now: NIODeadline) {
        self.limit = limit
        self.left = limit
        self.epoch = now
    }

    /// Takes one; false when this second's are used up.
    mutating func take(at now: NIODeadline) -> Bool {
        if now - self.epoch >= .seconds(1) {
            self.left = self.limit
            self.epoch = now
        }
        guard self.left > 0 else { return false }
        self.left -= 1
        return true
    }
}
