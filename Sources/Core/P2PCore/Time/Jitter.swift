package import NIOCore

/// Small random delays that keep nodes from acting all at once. Seeded, so that a test can foresee them.
package struct Jitter: Sendable {
    private var state: UInt64

    package init(seed: UInt64) { self.state = seed }

    /// A time between the two, in milliseconds.
    package mutating func milliseconds(_ range: ClosedRange<Int64>) -> TimeAmount {
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let width = UInt64(range.upperBound - range.lowerBound) + 1
        return .milliseconds(range.lowerBound + Int64((self.state >> 33) % width))
    }
}
