import NIOCore
import P2PCore
import P2PIdentity
import P2PTesting
import Testing

@testable import P2PKademlia

/// Providing early, and providing where somebody crowds.
@Suite("Providing in a network in virtual time")
struct ProvidingTests {
    /// What a node has learnt of the network's size by looking up.
    private static func size(of network: inout SimulatedNetwork) -> NetworkSize {
        var size = NetworkSize()
        for _ in 0..<20 {
            let target = network.randomPoint()
            let nearest = network.lookUp(target, from: 0).nearest
            size.note(farthest: nearest.last.map { network.nodes[$0].point.distance(to: target).fraction } ?? 0, of: 20)
        }
        return size
    }

    @Test("Those that are near enough are told before the look-up is over: sooner, and what they keep is found", arguments: [200, 1_000])
    func optimistic(nodes: Int) throws {
        var network = SimulatedNetwork(nodes, seed: SimulationTests.seed)
        let size = Self.size(of: &network)
        let count = SimulationTests.lookups
        var (plain, early): ([Duration], [Duration]) = ([], [])
        var (found, near, messages, told) = (0, 0, 0, 0)
        for number in 0..<count {
            let key = Array("early \(number)".utf8)
            let point = KademliaPoint(ofKey: key)
            let asker = number % 50
            plain.append(network.lookUp(point, from: asker).duration)
            var shortcut = try #require(OptimisticStoring(size: size.estimate, count: 20))
            var holders: [PeerID] = []
            let outcome = network.lookUp(point, from: asker) { lookup in
                let step = shortcut.next(lookup.hopes)
                holders += step.tell.map(\.peer)
                return step.isEnough
            }
            holders += shortcut.rest(outcome.lookup.hopes).map(\.peer)
            early.append(outcome.duration)
            messages += outcome.lookup.messages
            told += holders.count
            #expect(Set(holders).count == holders.count && holders.count >= shortcut.returnThreshold)
            let places = Set(holders.compactMap { network.index[$0] })
            for holder in places {
                network.nodes[holder].providers.add(network.nodes[asker].peer, at: [], for: key, now: network.now)
            }
            near += network.trulyNearest(to: point, except: asker).count { places.contains($0) }
            let other = network.lookUp(point, from: (asker + 60) % nodes, key: key)
            if other.providers.contains(network.nodes[asker].peer) { found += 1 }
        }
        let (median, ordinary) = (early.sorted()[count / 2], plain.sorted()[count / 2])
        print(
            """
            simulation of \(nodes), optimistic: look-up of \(median) instead of \(ordinary) (median), \(messages / count) messages, \
            \(told / count) told, \(Double(near) / Double(20 * count)) of the nearest among them, found \(found) of \(count)
            """)
        #expect(found == count)
        #expect(median < ordinary)
        #expect(Double(near) / Double(20 * count) >= 0.7)
        #expect(told / count <= 30)
    }

    @Test("Without an estimate there is no shortcut, and where peers crowd none is taken")
    func noShortcut() throws {
        #expect(OptimisticStoring(size: nil, count: 20) == nil)
        #expect(OptimisticStoring(size: 0, count: 20) == nil)
        func hopes(_ distance: Double) throws -> [Lookup.Hope] {
            try (0..<20).map { number in
                Lookup.Hope(
                    contact: Lookup.Contact(try Fixture.peer(number: number)), distance: distance * Double(number + 1) / 20, isProved: true)
            }
        }
        let (ordinary, crowd) = (try hopes(0.02), try hopes(0.001))
        var shortcut = try #require(OptimisticStoring(size: 1_000, count: 20))
        #expect(shortcut.returnThreshold == 15)
        // The twentieth of a thousand lies at 0.02 on average.
        let step = shortcut.next(ordinary)
        #expect(step.tell.count == 14 && step.isEnough)
        #expect(doing(&shortcut) { $0.next(ordinary) }.tell.isEmpty)
        #expect(doing(&shortcut) { $0.rest(ordinary) }.count == 6)
        var crowded = try #require(OptimisticStoring(size: 1_000, count: 20))
        #expect(!doing(&crowded) { $0.next(crowd) }.isEnough)
        #expect(doing(&crowded) { $0.rest(crowd) }.count == 20)
        var few = try #require(OptimisticStoring(size: 1_000, count: 20))
        #expect(!doing(&few) { $0.next([]) }.isEnough)
        #expect(!doing(&few) { $0.next(Array(ordinary.prefix(5))) }.isEnough)
    }

    @Test("Thirty that were made for a key keep nobody from what is provided there: the region around has it, and is asked")
    func eclipse() throws {
        var (hidden, found) = (0, 0)
        for number in 0..<5 {
            var network = SimulatedNetwork(300, seed: SimulationTests.seed &+ UInt64(number))
            let size = Self.size(of: &network)
            let key = Array("eclipsed \(number)".utf8)
            let point = KademliaPoint(ofKey: key)
            for bits in 40..<70 { network.add(near: point, bits: bits, as: .colluding) }
            let (provider, seeker) = (1, 2)
            let narrow = network.lookUp(point, from: provider)
            let farthest = try #require(narrow.nearest.last.map { network.nodes[$0].point.distance(to: point).fraction })
            #expect(size.isCrowded(farthest: farthest, of: 20))
            hidden += narrow.nearest.allSatisfy { network.nodes[$0].role == .colluding } ? 1 : 0
            let radius = try #require(size.expectedDistance(of: 20))
            let wide = network.lookUp(point, from: provider, count: 20 * KademliaLimits.regionFactor)
            let holders = wide.nearest.enumerated().filter { index, node in
                index < 20 || network.nodes[node].point.distance(to: point).fraction <= radius
            }.map(\.element)
            for holder in holders where network.nodes[holder].role == .honest {
                network.nodes[holder].providers.add(network.nodes[provider].peer, at: [], for: key, now: network.now)
            }
            let sought = network.lookUp(point, from: seeker, key: key, count: 20 * KademliaLimits.regionFactor)
            if sought.providers.contains(network.nodes[provider].peer) { found += 1 }
        }
        // The crowd is what an ordinary look-up ends at.
        #expect(hidden == 5)
        #expect(found == 5)
    }
}
