import Testing

@testable import P2PTool

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Traps while the tool starts")
struct TrapGuardTests {
    @Test("They end it with 1 and a reason")
    func trap() async throws {
        let result = try await #require(processExitsWith: .exitCode(EXIT_FAILURE), observing: [\.standardErrorContent]) {
            TrapGuard.begin()
            fatalError("as event loops do")
        }
        let said = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(said.contains("as event loops do") && said.contains("p2p: could not start"))
    }

    @Test("They are what they were afterwards")
    func release() async {
        await #expect(processExitsWith: .exitCode(3)) {
            signal(SIGILL) { _ in _exit(3) }
            signal(SIGTRAP) { _ in _exit(3) }
            TrapGuard.begin()
            TrapGuard.release()
            fatalError("later")
        }
    }
}
