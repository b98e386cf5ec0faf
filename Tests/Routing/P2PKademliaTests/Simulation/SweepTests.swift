import NIOCore
import P2PCore
import P2PIdentity
import P2PTesting
import Testing

@testable import P2PKademlia

@Suite("Many keys at once")
struct SweepTests {
    @Test(
        "Ten thousand keys cost at most two look-ups for a hundred, and each gets to those that are nearest to it", arguments: [200, 1_000])
    func network(size: Int) {
        var network = SimulatedNetwork(size, seed: SimulationTests.seed)
        let keys = (0..<10_000).map { Array("key \($0)".utf8) }
        let fixed = network
        var sweep = ProviderSweep(keys, point: { fixed.point(of: $0) })
        var holders: [[UInt8]: Set<PeerID>] = [:]
        var messages = 0
        sweeping: while true {
            switch sweep.next() {
            case .finished: break sweeping
            case .lookUp(let key):
                let outcome = network.lookUp(KademliaPoint(ofKey: key), from: 0)
                messages += outcome.lookup.messages
                sweep.found(outcome.nearest.map { network.nodes[$0].peer })
            case .store(let stored):
                for (peer, keys) in stored {
                    for key in keys { holders[key, default: []].insert(peer) }
                }
            }
        }
        let one = network.lookUp(KademliaPoint(ofKey: keys[0]), from: 0).lookup.messages
        print(
            """
            simulation: a sweep of \(keys.count) keys over \(size) nodes took \(sweep.lookups) look-ups of \(messages) messages, one by one \
            \(keys.count) of some \(keys.count * one)
            """)
        #expect(sweep.lookups <= keys.count * 2 / 100)
        #expect(holders.count == keys.count)
        var found = 0
        for key in keys.prefix(100) {
            let truth = network.trulyNearest(to: KademliaPoint(ofKey: key), except: 0)
            found += truth.count { holders[key, default: []].contains(network.nodes[$0].peer) }
        }
        #expect(Double(found) / 2_000 >= 0.95, "\(found) of 2,000")
    }

    @Test("In a network of fewer than twenty, one look-up does; what can't be looked up is left out alone")
    func few() throws {
        let peers = try (0..<5).map { try Fixture.peer(number: $0) }
        let keys = (0..<50).map { Array("key \($0)".utf8) }
        var sweep = ProviderSweep(keys)
        guard case .lookUp = sweep.next() else {
            Issue.record("it has keys")
            return
        }
        sweep.found([])
        // Nobody gets the first one.
        #expect(doing(&sweep) { $0.next() } == .store([:]))
        #expect(sweep.count == 49)
        _ = sweep.next()
        sweep.found(peers)
        guard case .store(let stored) = sweep.next() else {
            Issue.record("everybody is known")
            return
        }
        #expect(Set(stored.keys) == Set(peers) && stored.values.allSatisfy { $0.count == 49 })
        #expect(doing(&sweep) { $0.next() } == .finished)
        #expect(sweep.lookups == 2)
        var none = ProviderSweep([])
        #expect(doing(&none) { $0.next() } == .finished)
    }
}
