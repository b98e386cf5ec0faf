/// Waits for something that another task or program brings about; the suite's time limit ends it.
func until(_ condition: @Sendable () -> Bool) async throws {
    while !condition() { try await Task.sleep(for: .milliseconds(2)) }
}
