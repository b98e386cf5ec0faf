import NIOCore
import P2PCore
import P2PTesting
import Testing

@testable import P2PKademlia

@Suite("The size of a network, and crowds in it")
struct NetworkSizeTests {
    @Test("The size is estimated within a third, and a place that nobody crowds is not taken for one", arguments: [100, 500])
    func estimate(size: Int) throws {
        var network = SimulatedNetwork(size, seed: SimulationTests.seed)
        var estimate = NetworkSize()
        #expect(estimate.estimate == nil && !estimate.isCrowded(farthest: 0, of: 20))
        for _ in 0..<20 {
            let target = network.randomPoint()
            let nearest = network.trulyNearest(to: target)
            let farthest = try #require(nearest.last.map { network.nodes[$0].point.distance(to: target).fraction })
            #expect(!estimate.isCrowded(farthest: farthest, of: 20))
            estimate.note(farthest: farthest, of: 20)
        }
        let found = try #require(estimate.estimate)
        #expect(found > Double(size) * 0.67 && found < Double(size) * 1.5, "\(found)")
    }

    @Test("Twenty that are nearer than anybody by chance are a crowd, and a hundred such look-ups move the estimate little")
    func crowd() {
        var estimate = NetworkSize()
        for number in 0..<60 { estimate.note(farthest: 0.02 + Double(number % 5) / 1_000, of: 20) }
        #expect(estimate.isCrowded(farthest: 0.001, of: 20))
        #expect(!estimate.isCrowded(farthest: 0.012, of: 20))
        for _ in 0..<20 { estimate.note(farthest: 0.000_1, of: 20) }
        #expect(estimate.isCrowded(farthest: 0.001, of: 20))
        for number in 0..<1_000 { estimate.note(farthest: 0.5, of: 20 + number % 2) }
        #expect(estimate.estimate ?? 0 < 50)
    }
}
