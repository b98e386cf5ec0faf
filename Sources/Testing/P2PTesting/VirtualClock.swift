public import NIOCore
public import P2PCore
import Synchronization

/// Time that stands still until somebody moves it: a test by hand, or a ``World`` by itself.
///
/// A Swift clock for code that sleeps, a ``HostClock`` for a host and its modules, and NIO deadlines for machines that take the time as an
/// argument; all show the same time.
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

    private enum Action {
        /// Wakes a task.
        case wake(UnsafeContinuation<Void, Never>)
        case call(@Sendable () -> Void)

        func perform() {
            switch self {
            case .wake(let waiter): waiter.resume()
            case .call(let body): body()
            }
        }
    }

    private struct State {
        var now = VirtualClock.origin
        var actions = TimeQueue<Action>()
        var watchers: [(deadline: NIODeadline, signal: Signal)] = []
    }

    /// An hour after the zero of NIO's deadlines, so that there is a past.
    private static let origin = NIODeadline.uptimeNanoseconds(3_600_000_000_000)

    private let state = Mutex(State())

    /// A clock that has just begun.
    public init() {}

    // MARK: Reading

    /// Where the clock was moved to.
    public var now: Instant { Instant(offset: .nanoseconds((self.deadline - Self.origin).nanoseconds)) }
    /// As fine as its instants.
    public var minimumResolution: Swift.Duration { .nanoseconds(1) }

    /// The same time for what counts in NIO's deadlines; begins an hour after their zero, so that there is a past.
    public var deadline: NIODeadline { self.state.withLock { $0.now } }

    /// The same time for a host and its modules, whose tasks run on the global pool.
    public var hostClock: HostClock { self.hostClock(runningTasksOn: globalConcurrentExecutor) }

    /// The same time for a host and its modules.
    ///
    /// - Parameter executor: runs those tasks of the host that have no executor of their own.
    public func hostClock(runningTasksOn executor: any TaskExecutor) -> HostClock {
        HostClock(executor: executor, now: { self.deadline }, sleep: { _ = await self.wait(until: $0) })
    }

    /// How many tasks sleep, and what else is to happen at a time to come.
    public var sleeperCount: Int { self.state.withLock { $0.actions.count } }

    /// When the next sleeper wakes; nil when nobody sleeps.
    public var nextDeadline: NIODeadline? { self.state.withLock { $0.actions.nextDeadline() } }

    // MARK: Moving

    /// Moves the time, and wakes those whose time comes, the earliest first.
    public func advance(by duration: Swift.Duration) {
        self.advance(to: self.deadline.advanced(by: duration))
    }

    /// Moves the time there, and wakes those whose time comes, the earliest first. A time in the past changes nothing.
    public func advance(to deadline: NIODeadline) {
        self.move(to: deadline)
    }

    /// Moves the time on to the next sleeper, and wakes all whose time that is.
    ///
    /// - Returns: false when nobody sleeps, and nothing was done.
    @discardableResult
    public func advanceToNext() -> Bool {
        guard let next = self.nextDeadline else { return false }
        self.move(to: next)
        return true
    }

    private func move(to deadline: NIODeadline) {
        self.state.withLock { $0.now = max($0.now, deadline) }
        while let action = self.state.withLock({ $0.actions.pop(dueAt: $0.now) }) { action.perform() }
    }

    // MARK: Waiting

    /// Suspends until the clock was moved there, or the task is cancelled.
    public func sleep(until deadline: Instant, tolerance: Swift.Duration?) async throws {
        guard await self.wait(until: Self.origin.advanced(by: deadline.offset)) else { throw CancellationError() }
    }

    /// Returns once somebody sleeps until exactly that time.
    public func sleeper(until deadline: NIODeadline) async {
        let signal = self.state.withLock { state -> Signal? in
            guard !state.actions.contains(deadline) else { return nil }
            let signal = Signal()
            state.watchers.append((deadline, signal))
            return signal
        }
        await signal?.wait()
    }

    /// Calls `body` when the time has come, on the thread that moves the clock.
    func schedule(at deadline: NIODeadline, _ body: @escaping @Sendable () -> Void) -> UInt64 {
        self.state.withLock { state in
            let id = state.actions.makeID()
            state.actions.insert(.call(body), id: id, at: deadline)
            return id
        }
    }

    /// Does not call it any more.
    func unschedule(_ id: UInt64) {
        self.state.withLock { _ = $0.actions.remove(id) }
    }

    /// Suspends until the clock was moved there; false when the task was cancelled before.
    private func wait(until deadline: NIODeadline) async -> Bool {
        let id = self.state.withLock { $0.actions.makeID() }
        await parkTask(in: self, Sleeper(id: id, deadline: deadline))
        return self.deadline >= deadline
    }
}

extension VirtualClock: ParkingPlace {
    /// A task that sleeps, by number, and until when.
    package struct Sleeper: Sendable {
        fileprivate let id: UInt64
        fileprivate let deadline: NIODeadline
    }

    package func park(_ waiter: UnsafeContinuation<Void, Never>, _ sleeper: Sleeper) -> Bool {
        let watchers = self.state.withLock { state -> [Signal]? in
            guard sleeper.deadline > state.now else { return nil }
            state.actions.insert(.wake(waiter), id: sleeper.id, at: sleeper.deadline)
            defer { state.watchers.removeAll { $0.deadline == sleeper.deadline } }
            return state.watchers.filter { $0.deadline == sleeper.deadline }.map(\.signal)
        }
        for watcher in watchers ?? [] { watcher.fire() }
        return watchers != nil
    }

    package func unpark(_ sleeper: Sleeper) {
        let action = self.state.withLock { $0.actions.remove(sleeper.id) }
        if case .wake(let waiter)? = action { waiter.resume() }
    }
}
