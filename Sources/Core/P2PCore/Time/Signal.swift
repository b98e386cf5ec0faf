import Synchronization

/// Something that happens once, and that any number of tasks may wait for.
package final class Signal: ParkingPlace {
    private struct State {
        var isFired = false
        var lastWaiter: UInt64 = 0
        var waiters: [UInt64: UnsafeContinuation<Void, Never>] = [:]
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
        // In the order in which they came, so that what follows does not depend on chance.
        for waiter in waiters.sorted(by: { $0.key < $1.key }) { waiter.value.resume() }
    }

    /// Returns once it has happened, or when the task is cancelled.
    package func wait() async {
        let waiter = self.state.withLock { state -> UInt64? in
            guard !state.isFired else { return nil }
            state.lastWaiter += 1
            return state.lastWaiter
        }
        guard let waiter else { return }
        await parkTask(in: self, waiter)
    }

    package func park(_ waiter: UnsafeContinuation<Void, Never>, _ number: UInt64) -> Bool {
        self.state.withLock { state in
            if !state.isFired { state.waiters[number] = waiter }
            return !state.isFired
        }
    }

    package func unpark(_ number: UInt64) {
        self.state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
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
