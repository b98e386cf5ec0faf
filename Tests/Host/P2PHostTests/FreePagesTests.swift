import NIOCore
import P2PCore
import P2PTesting
import Synchronization
import Testing

@testable import P2PSwarm

@Suite("Pages that a burst has left", .timeLimit(.minutes(1)))
struct FreePagesTests {
    @Test("They go back a second after memory use began to fall, then not for two seconds; the end does not wait for that")
    func ebbs() async throws {
        let world = FakeWorld()
        let memory = HeldMemory(MemoryLimits(total: 256 << 20, perPeer: .max, allowed: 0, perNetwork: .max))
        let cleanings = Mutex(0)
        let swarm = try world.swarm(memory: memory) { cleanings.withLock { $0 += 1 } }
        @Sendable func burst() {
            memory.keep(2 * MemoryTide.worthwhile.least)
            memory.keep(-2 * MemoryTide.worthwhile.least)
        }
        let start = world.clock.now
        try await world.run(swarm) {
            burst()
            await world.clock.sleeper(until: start + TimeAmount.seconds(1))
            #expect(cleanings.withLock { $0 } == 0)
            world.clock.advance(.seconds(1))
            await world.clock.sleeper(until: start + TimeAmount.seconds(3))
            #expect(cleanings.withLock { $0 } == 1)
            burst()
            world.clock.advance(.seconds(2))
            await world.clock.sleeper(until: start + TimeAmount.seconds(4))
            #expect(cleanings.withLock { $0 } == 1)
            world.clock.advance(.seconds(1))
            await world.clock.sleeper(until: start + TimeAmount.seconds(6))
            #expect(cleanings.withLock { $0 } == 2)
        }
    }
}
