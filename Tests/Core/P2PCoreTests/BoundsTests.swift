import Testing

@testable import P2PCore

@Suite("MemoryBudget, names and errors")
struct BoundsTests {
    @Test("A budget is never overdrawn, and everything comes back")
    func budget() {
        let budget = MemoryBudget(limit: 100)
        #expect(budget.reserve(60))
        #expect(!budget.reserve(41))
        #expect(!budget.reserve(-1))
        #expect(budget.reserve(40))
        #expect(budget.reserved == 100)
        budget.release(100)
        #expect(budget.reserved == 0)
    }

    @Test("A budget shared by many tasks is exact")
    func sharedBudget() async {
        let budget = MemoryBudget(limit: 1_000)
        let taken = Counter()
        await withDiscardingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<500 where budget.reserve(1) { taken.increment() }
                }
            }
        }
        #expect(taken.value == 1_000)
        #expect(budget.reserved == 1_000)
    }

    @Test("A protocol's name from a peer is checked")
    func names() {
        #expect(ProtocolID(validating: "/ipfs/ping/1.0.0") == "/ipfs/ping/1.0.0")
        #expect(ProtocolID(validating: String(repeating: "a", count: 1_023)) != nil)
        for bad in ["", "a\nb", "\u{0}", "\u{7f}", String(repeating: "a", count: 1_024)] { #expect(ProtocolID(validating: bad) == nil) }
    }

    @Test("Errors are equal by code and say what, where and why")
    func errors() {
        let error = StreamError(.reset, "the peer reset the stream", cause: ConnectionError(.lost, "no route"))
        #expect(error == StreamError(.reset, "another"))
        #expect(error != StreamError(.busy, "the peer reset the stream"))
        #expect(error.description == "reset: the peer reset the stream (lost: no route)")
    }
}
