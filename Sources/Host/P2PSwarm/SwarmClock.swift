package import NIOCore

/// Where time comes from: the system, or a test that turns it by hand.
package struct SwarmClock: Sendable {
    /// The time now.
    package let now: @Sendable () -> NIODeadline
    /// Returns when the deadline has passed, or the task was cancelled.
    package let sleep: @Sendable (_ deadline: NIODeadline) async -> Void

    package init(now: @escaping @Sendable () -> NIODeadline, sleep: @escaping @Sendable (_ deadline: NIODeadline) async -> Void) {
        self.now = now
        self.sleep = sleep
    }

    /// The machine's monotonic clock.
    package static let system = SwarmClock(
        now: { .now() },
        sleep: { deadline in
            let wait = max(0, (deadline - .now()).nanoseconds)
            try? await Task.sleep(for: .nanoseconds(wait))
        })
}

extension NIODeadline {
    /// The longest span that is added to a time: ten years.
    private static let longestSpan = Duration.seconds(315_360_000)

    /// This time and `duration`; spans below zero count as none, endless ones as ten years.
    package func advanced(by duration: Duration) -> NIODeadline {
        let span = min(max(duration, .zero), Self.longestSpan).components
        return self + .nanoseconds(span.seconds * 1_000_000_000 + span.attoseconds / 1_000_000_000)
    }
}
