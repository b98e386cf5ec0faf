package import NIOCore

/// Counts something that a peer may do now and then, but not all the time.
package struct OffenceCounter: Sendable {
    private let maximum: Int
    private let period: TimeAmount
    private var count = 0
    private var began: NIODeadline

    package init(maximum: Int, period: TimeAmount, now: NIODeadline) {
        self.maximum = maximum
        self.period = period
        self.began = now
    }

    /// Counts one more; false once there are more in this period than the maximum.
    package mutating func tolerates(at now: NIODeadline) -> Bool {
        if now - self.began >= self.period {
            self.began = now
            self.count = 0
        }
        guard self.count < self.maximum else { return false }
        self.count += 1
        return true
    }
}
