public import NIOCore
import Synchronization

/// Time that stands still until a test moves it.
///
/// A Swift clock for code that sleeps, and NIO deadlines for machines that take the time as an argument; both show the
/// same time.
public final class VirtualClock: Clock {
    /// Time since the clock began.
    public struct Instant: InstantProtocol {
        /// Since the beginning.
        public let offset: Swift.Duration

        /// The instant so much later.
        public func advanced(by duration: Swift.Duration) -> Instant { Instant(offset: self.offset + duration) }
        /// The time from one instant to another.
        public func duration(to other: Instant) -> Swift.Duration { other.offset - self.offset }
        /// Whether one instant comes before another.
        public static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        let id: UInt64
        let deadline: Instant
        let continuation: UnsafeContinuation<Void, any Error>
    }

    private struct State {
        var now = Instant(offset: .zero)
        var lastID: UInt64 = 0
        var sleepers: [Sleeper] = []
        /// Cancelled before they could lie down.
        var cancelled: Set<UInt64> = []
    }

    private let state = Mutex(State())

    /// An empty one.
    public init() {}

    /// Where the clock was moved to.
    public var now: Instant { self.state.withLock { $0.now } }
    /// As fine as its instants.
    public var minimumResolution: Swift.Duration { .nanoseconds(1) }

    /// The same time for what counts in NIO's deadlines; begins an hour after their zero, so that there is a past.
    public var deadline: NIODeadline { .uptimeNanoseconds(3_600_000_000_000) + TimeAmount(self.now.offset) }

    /// How many tasks sleep.
    public var sleeperCount: Int { self.state.withLock { $0.sleepers.count } }

    /// Moves the time, and wakes those whose time has come, the earliest first.
    public func advance(by duration: Swift.Duration) {
        let woken = self.state.withLock { state in
            state.now = state.now.advanced(by: duration)
            let now = state.now
            let woken = state.sleepers.filter { $0.deadline <= now }.sorted { ($0.deadline, $0.id) < ($1.deadline, $1.id) }
            state.sleepers.removeAll { $0.deadline <= now }
            return woken
        }
        for sleeper in woken { sleeper.continuation.resume() }
    }

    /// Suspends until the clock was moved there, or the task is cancelled.
    public func sleep(until deadline: Instant, tolerance: Swift.Duration?) async throws {
        let id = self.state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            defer { self.state.withLock { _ = $0.cancelled.remove(id) } }
            try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
                let outcome = self.state.withLock { state -> Result<Void, any Error>? in
                    if state.cancelled.contains(id) { return .failure(CancellationError()) }
                    if deadline <= state.now { return .success(()) }
                    state.sleepers.append(Sleeper(id: id, deadline: deadline, continuation: continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let sleeper = self.state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}
