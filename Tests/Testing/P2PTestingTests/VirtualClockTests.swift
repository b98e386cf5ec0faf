import NIOCore
import P2PTesting
import Testing

@Suite("VirtualClock")
struct VirtualClockTests {
    @Test("Sleepers wake when their time has come, and not before", .timeLimit(.minutes(1)))
    func sleeping() async throws {
        let clock = VirtualClock()
        let early = Task { try await clock.sleep(for: .seconds(1)) }
        let late = Task { try await clock.sleep(for: .seconds(3_600)) }
        while clock.sleeperCount < 2 { await Task.yield() }
        clock.advance(by: .milliseconds(999))
        #expect(clock.sleeperCount == 2)
        clock.advance(by: .milliseconds(1))
        try await early.value
        #expect(clock.sleeperCount == 1)
        clock.advance(by: .seconds(3_600))
        try await late.value
        #expect(clock.now.offset == .seconds(3_601))
        #expect(clock.deadline.uptimeNanoseconds == 7_201_000_000_000)
    }

    @Test("A cancelled sleep throws", .timeLimit(.minutes(1)))
    func cancelling() async throws {
        let clock = VirtualClock()
        let sleeper = Task { try await clock.sleep(for: .seconds(1)) }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        #expect(clock.sleeperCount == 0)
    }

    @Test("A time that has passed is not waited for")
    func past() async throws {
        let clock = VirtualClock()
        clock.advance(by: .seconds(5))
        try await clock.sleep(until: clock.now, tolerance: nil)
    }
}
