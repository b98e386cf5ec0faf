public import NIOCore

/// Runs `body` and cancels it when `deadline` passes.
///
/// When the task itself is cancelled, so is `body`, and what it throws is thrown.
///
/// - Returns: the result of `body`, also when it succeeded in spite of being cancelled, so that what it made is not lost;
///   nil when the deadline passed and it did not. Either way `body` has returned.
public func withDeadline<Success: Sendable>(
    _ deadline: NIODeadline, _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success? {
    try await withThrowingTaskGroup(of: Success?.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await body() }
        group.addTask {
            await SleepQueue.shared.sleep(until: deadline)
            return nil
        }
        if let success = try await group.next() ?? nil { return success }
        group.cancelAll()
        do {
            return try await group.next() ?? nil
        } catch {
            if Task.isCancelled { throw error }
            return nil
        }
    }
}
