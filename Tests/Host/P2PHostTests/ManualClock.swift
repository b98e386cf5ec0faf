import NIOCore
import P2PCore
import Synchronization

/// Time that passes only when a test says so.
final class ManualClock: Sendable {
    private struct Sleeper {
        let deadline: NIODeadline
        let continuation: UnsafeContinuation<Void, Never>
    }

    private struct State {
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        var last: UInt64 = 0
        var sleepers: [UInt64: Sleeper] = [:]
        var cancelled: Set<UInt64> = []
        var watchers: [(deadline: NIODeadline, signal: Signal)] = []
    }

    private let state = Mutex(State())

    var now: NIODeadline { self.state.withLock { $0.now } }

    var clock: HostClock {
        HostClock(now: { self.now }, sleep: { await self.sleep(until: $0) })
    }

    func advance(_ amount: TimeAmount) {
        let woken = self.state.withLock { state -> [Sleeper] in
            state.now = state.now + amount
            let due = state.sleepers.filter { $0.value.deadline <= state.now }
            for id in due.keys { state.sleepers[id] = nil }
            return Array(due.values)
        }
        for sleeper in woken { sleeper.continuation.resume() }
    }

    /// Runs `body` while time passes by itself, so that whoever waits for a grace period need not wait for the test.
    func passing<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        let passing = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(20))
                self.advance(.seconds(1))
            }
        }
        defer { passing.cancel() }
        return try await body()
    }

    /// Returns once somebody sleeps until exactly then.
    func sleeper(until deadline: NIODeadline) async {
        let signal = self.state.withLock { state -> Signal? in
            if state.sleepers.values.contains(where: { $0.deadline == deadline }) { return nil }
            let signal = Signal()
            state.watchers.append((deadline, signal))
            return signal
        }
        await signal?.wait()
    }

    private func sleep(until deadline: NIODeadline) async {
        let id = self.state.withLock { state -> UInt64 in
            state.last += 1
            return state.last
        }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let (isParked, watchers) = self.state.withLock { state -> (Bool, [Signal]) in
                    guard state.now < deadline, !state.cancelled.contains(id) else { return (false, []) }
                    state.sleepers[id] = Sleeper(deadline: deadline, continuation: continuation)
                    let watchers = state.watchers.filter { $0.deadline == deadline }.map(\.signal)
                    state.watchers.removeAll { $0.deadline == deadline }
                    return (true, watchers)
                }
                if !isParked { continuation.resume() }
                for watcher in watchers { watcher.fire() }
            }
        } onCancel: {
            self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
                if let sleeper = state.sleepers.removeValue(forKey: id) { return sleeper.continuation }
                state.cancelled.insert(id)
                return nil
            }?.resume()
        }
    }
}
