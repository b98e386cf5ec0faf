import NIOCore
import P2PCore
import Synchronization

/// Somebody who waits for a dial, with a deadline of their own.
final class DialWaiter: Sendable {
    let deadline: NIODeadline

    private let done = Signal()
    private let result = Mutex<Result<ConnectionEntry, DialError>?>(nil)

    init(until deadline: NIODeadline) {
        self.deadline = deadline
    }

    /// Only the first result counts.
    func complete(_ result: Result<ConnectionEntry, DialError>) {
        self.result.withLock { if $0 == nil { $0 = result } }
        self.done.fire()
    }

    /// Waits for the end; nil when the task is cancelled.
    func wait() async -> Result<ConnectionEntry, DialError>? {
        await self.done.wait()
        return self.result.withLock { $0 }
    }
}
