package import NIOCore

/// So many at once, and then one in each interval; a value without a clock.
package struct TokenBucket: Sendable {
    private let capacity: Int
    private let interval: TimeAmount
    /// When the bucket will be full again.
    private var fullAt: NIODeadline

    /// - Parameters:
    ///   - capacity: at once; at least one.
    ///   - interval: what one more costs in time.
    package init(capacity: Int, interval: TimeAmount, at now: NIODeadline) {
        self.capacity = max(1, capacity)
        self.interval = interval
        self.fullAt = now
    }

    /// Takes one; false when none is left.
    package mutating func take(at now: NIODeadline) -> Bool {
        let fullAt = max(self.fullAt, now) + self.interval
        guard fullAt - now <= self.interval * self.capacity else { return false }
        self.fullAt = fullAt
        return true
    }
}
