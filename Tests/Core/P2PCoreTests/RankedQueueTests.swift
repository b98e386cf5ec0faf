import Testing

@testable import P2PCore

@Suite("Ranked queues")
struct RankedQueueTests {
    @Test("Whatever is added, ranked anew and taken out, the least rank stands first", arguments: 1...8 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var state = seed
        func number(below bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        var queue = RankedQueue<UInt64, UInt64>()
        var model: [UInt64: UInt64] = [:]
        for _ in 0..<4_000 {
            let key = number(below: 64)
            if number(below: 3) == 0 {
                queue.remove(key)
                model[key] = nil
            } else {
                let rank = number(below: 1_000)
                queue.set(key, to: rank)
                model[key] = rank
            }
            #expect(queue.count == model.count && queue.isEmpty == model.isEmpty)
            #expect(queue.first?.rank == model.values.min())
            if let first = queue.first { #expect(model[first.key] == first.rank) }
        }
    }
}
