import Synchronization

/// Something that happens once, and that any number of tasks may wait for.
package final class Signal: Sendable {
    private struct State {
        var isFired = false
        var lastWaiter: UInt64 = 0
        var waiters: [UInt64: UnsafeContinuation<Void, Never>] = [:]
        var cancelled: Set<UInt64> = []
    }

    private let state = Mutex(State())

    package init() {}

    package var isFired: Bool { self.state.withLock { $0.isFired } }

    /// Makes it happen; later calls do nothing.
    package func fire() {
        let waiters = self.state.withLock { state in
            state.isFired = true
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume() }
    }

    /// Returns once it has happened, or when the task is cancelled.
    package func wait() async {
        let waiter = self.state.withLock { state -> UInt64? in
            guard !state.isFired else { return nil }
            state.lastWaiter += 1
            return state.lastWaiter
        }
        guard let waiter else { return }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let isParked = self.state.withLock { state in
                    guard !state.isFired, !state.cancelled.contains(waiter) else { return false }
                    state.waiters[waiter] = continuation
                    return true
                }
                if !isParked { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
                if let continuation = state.waiters.removeValue(forKey: waiter) { return continuation }
                state.cancelled.insert(waiter)
                return nil
            }?.resume()
        }
        self.state.withLock { _ = $0.cancelled.remove(waiter) }
    }

    /// Runs `body` and cancels it when this happens; returns when `body` has.
    package func cancelling(_ body: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await body()
                return true
            }
            group.addTask {
                await self.wait()
                return false
            }
            for await isBody in group {
                group.cancelAll()
                if isBody { return }
            }
        }
    }
}
