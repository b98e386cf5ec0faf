import Synchronization

/// Something that comes out once, and for which any number of tasks may wait.
package final class Outcome<Value: Sendable>: Sendable {
    package typealias Result = Swift.Result<Value, SocketError>

    private struct State {
        var result: Result?
        var waiters: [UInt64: CheckedContinuation<Result?, Never>] = [:]
        var last: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// What came out, if it has.
    package var result: Result? { self.state.withLock { $0.result } }

    /// The first call counts.
    package func settle(_ result: Result) {
        let waiters = self.state.withLock { state -> [CheckedContinuation<Result?, Never>] in
            guard state.result == nil else { return [] }
            state.result = result
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: result) }
    }

    /// Waits for it. Cancelling the task ends the waiting and nothing else.
    package func value() async throws(SocketError) -> Value {
        let number = self.state.withLock { state in
            state.last += 1
            return state.last
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let result = self.state.withLock { state -> Result?? in
                    if let result = state.result { return .some(result) }
                    if Task.isCancelled { return .some(nil) }
                    state.waiters[number] = waiter
                    return nil
                }
                if let result { waiter.resume(returning: result) }
            }
        } onCancel: {
            self.state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: nil)
        }
        guard let result else { throw .wasCancelled }
        return try result.get()
    }
}
