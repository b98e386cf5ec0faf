import P2PCore
import Synchronization

/// Ends work that waits for a peer who does nothing.
final class StallWatch: Sendable {
    /// How often it looks.
    private static let interval = Duration.milliseconds(100)

    private struct State {
        var lastProgress = ContinuousClock.now
        var isWaiting = true
    }

    private let state: Mutex<State>
    private let timeout: Duration

    init(timeout: Duration) {
        self.timeout = timeout
        self.state = Mutex(State())
    }

    /// Something happened.
    func note() {
        self.state.withLock { $0.lastProgress = .now }
    }

    /// Says whether it is the peer's turn; while it is not, no time passes.
    func setWaiting(_ isWaiting: Bool) {
        self.state.withLock { state in
            state.isWaiting = isWaiting
            state.lastProgress = .now
        }
    }

    /// Runs until the peer has been silent for too long, and throws then.
    func run() async throws {
        while true {
            try await Task.sleep(for: Self.interval)
            let isStalled = self.state.withLock { $0.isWaiting && ContinuousClock.now - $0.lastProgress > self.timeout }
            if isStalled { throw StreamError(.timedOut, "the peer did nothing for \(self.timeout)") }
        }
    }

    /// Runs `body` for as long as the peer does something.
    static func guarding<Success: Sendable>(
        timeout: Duration, _ body: @escaping @Sendable (StallWatch) async throws -> Success
    ) async throws -> Success {
        let watch = StallWatch(timeout: timeout)
        return try await withThrowingTaskGroup(of: Success?.self) { group in
            group.addTask { try await body(watch) }
            group.addTask {
                try await watch.run()
                return nil
            }
            defer { group.cancelAll() }
            while let next = try await group.next() {
                if let result = next { return result }
            }
            throw CancellationError()
        }
    }
}
