public import NIOCore

/// Runs `body` and cancels it when `deadline` passes.
///
/// - Returns: the result of `body`, or nil when the deadline passed first; by then `body` has returned.
public func withDeadline<Success: Sendable>(
    _ deadline: NIODeadline, _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success? {
    try await withThrowingTaskGroup(of: Success?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .nanoseconds(max(0, (deadline - .now()).nanoseconds)))
            return nil
        }
        defer { group.cancelAll() }
        do {
            if let first = try await group.next() { return first }
            return nil
        } catch {
            group.cancelAll()
            throw error
        }
    }
}
