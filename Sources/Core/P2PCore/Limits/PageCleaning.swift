package import NIOCore

/// When free pages are to be given back to the system, as a value: whenever many have gathered since the last time.
///
/// What is resident beyond what counts is the program itself and free pages; only the second changes.
package struct PageCleaning: Sendable {
    /// Between two times.
    package static let pause = TimeAmount.milliseconds(100)

    /// Free pages worth giving back, in bytes.
    private let worthwhile: Int
    /// What was left beyond what counts when it was least since the last time.
    private var least: Int?
    private var notBefore: NIODeadline?

    /// - Parameter limit: the memory that the host may use, in bytes.
    package init(limit: Int) {
        self.worthwhile = max(4 << 20, limit / 32)
    }

    /// Whether it is worth it now. Say ``cleaned(resident:use:at:)`` when it was done.
    package mutating func isDue(resident: Int, use: Int, at now: NIODeadline) -> Bool {
        let excess = resident - use
        let least = min(excess, self.least ?? excess)
        self.least = least
        return excess - least >= self.worthwhile && now >= self.notBefore ?? now
    }

    /// It was done, and this is left.
    package mutating func cleaned(resident: Int, use: Int, at now: NIODeadline) {
        self.least = resident - use
        self.notBefore = now + Self.pause
    }
}
