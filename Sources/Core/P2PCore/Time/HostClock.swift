public import NIOCore

/// Where a host, and every module of it, has its time from: the system, or a test that turns it by hand.
public struct HostClock: Sendable {
    private let read: @Sendable () -> NIODeadline
    private let wait: @Sendable (_ deadline: NIODeadline) async -> Void
    /// Runs tasks that are nobody's children, greetings, and handlers that don't run on their connection's loop. Whoever turns a clock by
    /// hand brings an executor of its own to see when everybody waits: then time may pass.
    public let executor: any TaskExecutor

    /// A clock of your own.
    ///
    /// - Parameters:
    ///   - executor: where the host's work is done; the global pool, unless a simulation has to see all of it.
    ///   - now: the time now.
    ///   - sleep: returns when the deadline has passed, or the task was cancelled.
    public init(
        executor: any TaskExecutor = globalConcurrentExecutor, now: @escaping @Sendable () -> NIODeadline,
        sleep: @escaping @Sendable (_ deadline: NIODeadline) async -> Void
    ) {
        self.executor = executor
        self.read = now
        self.wait = sleep
    }

    /// The machine's monotonic clock, which real hosts have.
    public static let system = HostClock(
        now: { .now() },
        sleep: { await SleepQueue.shared.sleep(until: $0) })

    /// The time now, on the scale of NIO's deadlines.
    public func now() -> NIODeadline { self.read() }

    /// Returns when the deadline has passed, or the task was cancelled.
    public func sleep(_ deadline: NIODeadline) async { await self.wait(deadline) }

    /// Returns when so much time has passed, or the task was cancelled.
    public func sleep(for duration: Duration) async { await self.wait(self.read().advanced(by: duration)) }

}

extension NIODeadline {
    /// The longest span that is added to a time: ten years.
    private static let longestSpan = Duration.seconds(315_360_000)

    /// This time and `duration`; spans below zero count as none, endless ones as ten years.
    public func advanced(by duration: Duration) -> NIODeadline {
        let span = min(max(duration, .zero), Self.longestSpan).components
        return self + .nanoseconds(span.seconds * 1_000_000_000 + span.attoseconds / 1_000_000_000)
    }
}
