package import NIOCore
import P2PCore

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
        sleep: { await SleepQueue.shared.sleep(until: $0) })

    /// What `body` returns, or nil when that comes after the deadline: then `body` was cancelled. Either way it has returned.
    func result<Value: Sendable>(by deadline: NIODeadline, of body: @escaping @Sendable () async -> Value) async -> Value? {
        await withTaskGroup(of: Value?.self) { group in
            group.addTask { await body() }
            group.addTask {
                await self.sleep(deadline)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }
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
