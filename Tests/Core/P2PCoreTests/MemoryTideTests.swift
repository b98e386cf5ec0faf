import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PCore

@Suite("Memory that is in use no more")
struct MemoryTideTests {
    private static let worthwhile = MemoryTide.worthwhile.least

    @Test("An ebb is told once, however far it goes, until whoever looks is ready to look again")
    func ebb() {
        let tide = MemoryTide()
        let count = Atomic(0)
        tide.onEbb { count.wrappingAdd(1, ordering: .relaxed) }
        tide.rose(to: 10 << 20)
        tide.fell(to: (10 << 20) - Self.worthwhile + 1)
        #expect(count.load(ordering: .relaxed) == 0, "not yet")
        tide.fell(to: (10 << 20) - Self.worthwhile)
        tide.fell(to: 0)
        #expect(count.load(ordering: .relaxed) == 1)
        tide.looked(use: 0)
        tide.rose(to: 20 << 20)
        tide.fell(to: 1 << 20)
        #expect(count.load(ordering: .relaxed) == 1, "somebody looks already")
        tide.watch(use: 1 << 20)
        #expect(count.load(ordering: .relaxed) == 2, "what has fallen meanwhile is not forgotten")
        tide.looked(use: 1 << 20)
        tide.watch(use: 1 << 20)
        tide.rose(to: 1 << 20)
        tide.fell(to: 0)
        #expect(count.load(ordering: .relaxed) == 2, "since the look it was never high")
        tide.looked(use: 0)
        tide.watch(use: 0)
        tide.rose(to: 320 << 20)
        tide.fell(to: 304 << 20)
        #expect(count.load(ordering: .relaxed) == 2, "of much it has to be more")
        tide.fell(to: 301 << 20)
        #expect(count.load(ordering: .relaxed) == 3)
    }

    @Test("What falls while whoever looked becomes ready again is heard")
    func meanwhile() {
        let tide = MemoryTide()
        let count = Atomic(0)
        tide.onEbb { count.wrappingAdd(1, ordering: .relaxed) }
        tide.rose(to: 10 << 20)
        tide.fell(to: 0)
        tide.looked(use: 0)
        tide.rose(to: 10 << 20)
        func use() -> Int {
            // Another thread, at the worst moment.
            tide.fell(to: 0)
            return 10 << 20
        }
        tide.watch(use: use())
        #expect(count.load(ordering: .relaxed) == 2)
    }

    @Test("What connections, arrivals and what is known of peers give back makes an ebb, and so does a connection that goes")
    func held() throws {
        let memory = HeldMemory(MemoryLimits(total: 256 << 20, perPeer: .max, allowed: 0, perNetwork: .max))
        let count = Atomic(0)
        memory.tide.onEbb { count.wrappingAdd(1, ordering: .relaxed) }
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        var account: MemoryAccount? = memory.account(for: peer, at: try Multiaddr("/ip4/192.0.2.1/tcp/1"))
        func again() {
            memory.tide.looked(use: memory.use)
            memory.tide.watch(use: memory.use)
        }
        account?.change(by: 2 * Self.worthwhile)
        account?.change(by: -2 * Self.worthwhile)
        #expect(count.load(ordering: .relaxed) == 1)
        again()
        account?.change(by: 2 * Self.worthwhile)
        account = nil
        #expect(count.load(ordering: .relaxed) == 2)
        again()
        let arrivals = Self.worthwhile / HeldMemory.perArrival
        for _ in 0..<arrivals { memory.arrivalBegan() }
        for _ in 1..<arrivals { memory.arrivalEnded() }
        #expect(count.load(ordering: .relaxed) == 2)
        memory.arrivalEnded()
        #expect(count.load(ordering: .relaxed) == 3)
        for (number, change) in [memory.keep, memory.discover].enumerated() {
            again()
            change(2 * Self.worthwhile)
            change(-2 * Self.worthwhile)
            #expect(count.load(ordering: .relaxed) == 4 + number)
        }
    }
}
