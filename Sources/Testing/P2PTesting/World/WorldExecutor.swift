import Dispatch
import NIOCore
import Synchronization

/// Runs every task of a world, one after the other, and only while the world turns.
///
/// So a world is idle when nothing waits here, and what happens in it happens in the same order each time.
final class WorldExecutor: TaskExecutor {
    private enum Work {
        case job(UnownedJob)
        case call(@Sendable () -> Void)
    }

    private let waiting = Mutex(CircularBuffer<Work>(initialCapacity: 64))
    private let queue = DispatchQueue(label: "p2p.world")

    /// Takes a job from the concurrency runtime.
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.waiting.withLock { $0.append(.job(job)) }
    }

    /// Calls `body` after what waits already.
    func execute(_ body: @escaping @Sendable () -> Void) {
        self.waiting.withLock { $0.append(.call(body)) }
    }

    func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    /// Whether the task that asks belongs to the world.
    var runsTheCaller: Bool {
        withUnsafeCurrentTask { $0?.unownedTaskExecutor == self.asUnownedTaskExecutor() }
    }

    /// Runs what waits, and what that brings about, until nothing does.
    ///
    /// - Returns: false when there was still something after `limit` pieces of work.
    func drain(atMost limit: Int) -> Bool {
        for _ in 0..<limit {
            switch self.waiting.withLock({ $0.popFirst() }) {
            case .job(let job): job.runSynchronously(on: self.asUnownedTaskExecutor())
            case .call(let body): body()
            case nil: return true
            }
        }
        return self.waiting.withLock { $0.isEmpty }
    }

    /// Returns what `body` does on the world's own thread, where alone its work is done.
    func onItsThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Value, Never>) in
            self.queue.async { continuation.resume(returning: body()) }
        }
    }
}
