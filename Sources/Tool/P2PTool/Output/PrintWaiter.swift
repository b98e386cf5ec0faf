import Synchronization

/// A task that waits until what it prints is written, or until it is cancelled: whichever comes first counts.
final class PrintWaiter: Sendable {
    private enum State {
        case fresh
        case waiting(CheckedContinuation<Void, any Error>)
        case over
    }

    private let state = Mutex(State.fresh)

    /// Suspends the task; returns at once when the wait is over already.
    func park(_ continuation: CheckedContinuation<Void, any Error>) {
        let isOver = self.state.withLock { state in
            guard case .fresh = state else { return true }
            state = .waiting(continuation)
            return false
        }
        if isOver { continuation.resume() }
    }

    /// Ends the wait, with an error if there is one.
    func resume(_ error: ToolError? = nil) {
        let continuation = self.state.withLock { state -> CheckedContinuation<Void, any Error>? in
            defer { state = .over }
            guard case .waiting(let continuation) = state else { return nil }
            return continuation
        }
        if let error { continuation?.resume(throwing: error) } else { continuation?.resume() }
    }
}
