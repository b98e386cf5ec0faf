import NIOCore
import P2PCore
import P2PTesting

/// Time that passes only when a test says so, as NIO counts it.
struct ManualClock: Sendable {
    private let time = VirtualClock()

    var now: NIODeadline { self.time.deadline }
    var clock: HostClock { self.time.hostClock }

    func advance(_ amount: TimeAmount) {
        self.time.advance(by: .nanoseconds(amount.nanoseconds))
    }

    /// Runs `body` while time passes by itself, so that whoever waits for a grace period need not wait for the test.
    func passing<Value>(_ step: TimeAmount = .seconds(1), _ body: () async throws -> Value) async rethrows -> Value {
        let passing = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(20))
                self.advance(step)
            }
        }
        defer { passing.cancel() }
        return try await body()
    }

    /// Returns once somebody sleeps until exactly then.
    func sleeper(until deadline: NIODeadline) async {
        await self.time.sleeper(until: deadline)
    }

    /// Returns once somebody sleeps until exactly one of these.
    func sleeper(untilAnyOf deadlines: [NIODeadline]) async {
        await withTaskGroup(of: Void.self) { group in
            for deadline in deadlines { group.addTask { await self.sleeper(until: deadline) } }
            await group.next()
            group.cancelAll()
        }
    }
}
