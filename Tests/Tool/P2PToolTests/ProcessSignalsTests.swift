import Testing

@testable import P2PTool

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Signals", .timeLimit(.minutes(1)))
struct ProcessSignalsTests {
    @Test("A signal that comes as soon as signals are waited for is seen, each time anew")
    func atOnce() async throws {
        for round in 1...50 {
            let requests = await ProcessSignals.snapshotRequests()
            try #require(kill(getpid(), SIGUSR1) == 0)
            let isSeen = await withTaskGroup(of: Bool.self) { group in
                group.addTask {
                    for await _ in requests { return true }
                    return false
                }
                group.addTask {
                    try? await Task.sleep(for: .seconds(10))
                    return false
                }
                defer { group.cancelAll() }
                return await group.next() ?? false
            }
            try #require(isSeen, "round \(round)")
        }
    }
}
