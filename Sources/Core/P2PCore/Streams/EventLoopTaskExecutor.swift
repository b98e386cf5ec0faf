public import NIOCore
import Synchronization

/// Runs tasks on an event loop, so that a handler shares its connection's thread and no byte changes threads.
///
/// Jobs are gathered: many cost one wake-up of the loop, and a muxer that has just delivered bytes runs them at once
/// with `runPending()` (a 32-byte round trip takes half the time that way).
public final class EventLoopTaskExecutor: TaskExecutor {
    private struct State {
        var jobs = CircularBuffer<UnownedJob>(initialCapacity: 32)
        var isScheduled = false
    }

    private let eventLoop: any EventLoop
    private let state = Mutex(State())
    /// A job must not run inside another. Confined to the event loop.
    private nonisolated(unsafe) var isRunning = false

    /// Jobs that ``runPending()`` runs before it lets the loop read again, so that busy handlers can't starve the sockets.
    private static let quantum = 1_024

    /// An executor over one event loop; share it among the loop's connections.
    public init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// Takes a job from the concurrency runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let mustSchedule = self.state.withLock { state in
            state.jobs.append(job)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if mustSchedule { self.eventLoop.execute { self.runScheduled() } }
    }

    /// Itself, as the runtime wants it.
    public func asUnownedTaskExecutor() -> UnownedTaskExecutor {
        UnownedTaskExecutor(ordinary: self)
    }

    /// Runs what waits. On the event loop.
    package func runPending() {
        guard !self.isRunning else { return }
        self.isRunning = true
        defer { self.isRunning = false }
        for _ in 0..<Self.quantum {
            guard let job = self.state.withLock({ $0.jobs.popFirst() }) else { return }
            job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }

    private func runScheduled() {
        self.runPending()
        let mustSchedule = self.state.withLock { state in
            state.isScheduled = !state.jobs.isEmpty
            return state.isScheduled
        }
        if mustSchedule { self.eventLoop.execute { self.runScheduled() } }
    }
}

/// One executor for each event loop, however many connections share it.
package final class EventLoopTaskExecutors: Sendable {
    private let executors = Mutex<[ObjectIdentifier: EventLoopTaskExecutor]>([:])

    package init() {}

    package func executor(for eventLoop: any EventLoop) -> EventLoopTaskExecutor {
        self.executors.withLock { executors in
            if let executor = executors[ObjectIdentifier(eventLoop)] { return executor }
            let executor = EventLoopTaskExecutor(eventLoop)
            executors[ObjectIdentifier(eventLoop)] = executor
            return executor
        }
    }
}
