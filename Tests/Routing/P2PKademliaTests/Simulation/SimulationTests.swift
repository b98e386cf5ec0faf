import NIOCore
import P2PCore
import P2PTesting
import Testing

@testable import P2PKademlia

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a look-up costs and finds in networks of a size and a kind (`Specs/Kademlia.md`, "Gates").
@Suite("Look-ups in a network in virtual time")
struct SimulationTests {
    /// Look-ups of one measurement; P2P_SIMULATION_LOOKUPS=200 makes it as thorough as the gates are meant.
    static let lookups = ProcessInfo.processInfo.environment["P2P_SIMULATION_LOOKUPS"].flatMap { Int($0) } ?? 30
    /// What decides over a network; P2P_SIMULATION_SEED takes another.
    static let seed = ProcessInfo.processInfo.environment["P2P_SIMULATION_SEED"].flatMap { UInt64($0) } ?? 7

    struct Measurement: CustomStringConvertible {
        var messages: [Int] = []
        var hops: [Int] = []
        var times: [Duration] = []
        var found = 0.0
        var nearest = 0
        var count = 0

        func percentile<Value: Comparable>(_ part: Double, of values: [Value]) -> Value {
            values.sorted()[min(values.count - 1, Int(part * Double(values.count)))]
        }

        var meanFound: Double { self.found / Double(max(1, self.count)) }
        var description: String {
            """
            messages p50 \(self.percentile(0.5, of: self.messages)), p95 \(self.percentile(0.95, of: self.messages)), \
            hops max \(self.hops.max() ?? 0), time p50 \(self.percentile(0.5, of: self.times)), \
            p95 \(self.percentile(0.95, of: self.times)), found \(self.meanFound), \
            nearest \(self.nearest) of \(self.count)
            """
        }
    }

    static func measure(_ network: inout SimulatedNetwork, _ count: Int = Self.lookups) -> Measurement {
        var measurement = Measurement()
        let askers = network.honest
        for _ in 0..<count {
            let asker = askers[Int.random(in: 0..<askers.count, using: &network.generator)]
            let target = network.randomPoint()
            let outcome = network.lookUp(target, from: asker)
            let truth = network.trulyNearest(to: target, except: asker)
            let found = Set(outcome.nearest)
            measurement.messages.append(outcome.lookup.messages)
            measurement.hops.append(outcome.lookup.hops)
            measurement.times.append(outcome.duration)
            measurement.found += Double(truth.count { found.contains($0) }) / Double(truth.count)
            if let first = truth.first, found.contains(first) { measurement.nearest += 1 }
            measurement.count += 1
        }
        return measurement
    }

    @Test("With all alive, the nearest are found in few steps", arguments: [(50, 2), (100, 3), (200, 3), (500, 4), (1_000, 4)])
    func alive(size: Int, hops: Int) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        let measured = Self.measure(&network, size > 200 ? Self.lookups / 2 : Self.lookups)
        print("simulation of \(size), all alive, seed \(Self.seed): \(measured)")
        #expect(measured.hops.max() ?? 0 <= hops, "\(measured)")
        #expect(measured.percentile(0.95, of: measured.messages) <= 50, "\(measured)")
        #expect(measured.meanFound >= 0.99, "\(measured)")
        #expect(measured.nearest == measured.count, "\(measured)")
    }

    @Test("With three of ten dead, nobody waits for them", arguments: [(100, 0.8), (1_000, 0.95)])
    func dead(size: Int, found: Double) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        network.assign(.dead, to: 0.3)
        let measured = Self.measure(&network)
        print("simulation of \(size), 30 % dead, seed \(Self.seed): \(measured)")
        #expect(measured.percentile(0.95, of: measured.messages) <= 75, "\(measured)")
        #expect(measured.percentile(0.95, of: measured.times) <= .seconds(3), "\(measured)")
        #expect(measured.meanFound >= found, "\(measured)")
        #expect(measured.nearest == measured.count, "\(measured)")
    }

    @Test("Liars who name nobody, or each other, hide nothing", arguments: [SimulatedNetwork.Role.empty, .colluding], [200, 1_000])
    func liars(role: SimulatedNetwork.Role, size: Int) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        network.assign(role, to: 0.2)
        let measured = Self.measureHonest(&network)
        print("simulation of \(size), 20 % \(role), seed \(Self.seed): \(measured)")
        #expect(measured.meanFound >= 0.99, "\(measured)")
        #expect(measured.percentile(0.95, of: measured.messages) <= 60, "\(measured)")
    }

    @Test("Liars who invent peers cost time, and hide nothing", arguments: [200, 1_000])
    func inventors(size: Int) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        network.assign(.inventing, to: 0.2)
        let measured = Self.measureHonest(&network, Self.lookups / 2)
        print("simulation of \(size), 20 % inventing, seed \(Self.seed): \(measured)")
        #expect(measured.meanFound >= 0.99, "\(measured)")
        #expect(measured.messages.max() ?? 0 <= 400, "\(measured)")
        #expect(measured.times.max() ?? .zero <= .seconds(25), "\(measured)")
    }

    /// Liars answer, so they stand among the nearest: what counts is that the honest ones of those do.
    static func measureHonest(_ network: inout SimulatedNetwork, _ count: Int = Self.lookups) -> Measurement {
        var measurement = Measurement()
        let askers = network.honest
        for _ in 0..<count {
            let asker = askers[Int.random(in: 0..<askers.count, using: &network.generator)]
            let target = network.randomPoint()
            let outcome = network.lookUp(target, from: asker)
            let all = network.nodes.indices.filter { $0 != asker }
                .sorted { network.nodes[$0].point.distance(to: target) < network.nodes[$1].point.distance(to: target) }.prefix(20)
            let truth = all.filter { network.nodes[$0].role == .honest }
            let found = Set(outcome.nearest)
            measurement.messages.append(outcome.lookup.messages)
            measurement.hops.append(outcome.lookup.hops)
            measurement.times.append(outcome.duration)
            measurement.found += Double(truth.count { found.contains($0) }) / Double(max(1, truth.count))
            if let first = truth.first, found.contains(first) { measurement.nearest += 1 }
            measurement.count += 1
        }
        return measurement
    }

    @Test("A network that came about by joining is as good, and one refresh mends it after three of ten have died")
    func joiningAndMending() {
        var network = SimulatedNetwork(1, seed: Self.seed, isConverged: false)
        var costs: [Int] = []
        while network.nodes.count < 100 {
            let node = network.add()
            costs.append(network.join(node, by: 0))
        }
        print("simulation: joins of 100 cost \(costs.reduce(0, +) / costs.count) messages on average, \(costs.max() ?? 0) at most")
        #expect(costs.reduce(0, +) / costs.count <= 250)
        var measured = Self.measure(&network)
        #expect(measured.meanFound >= 0.95, "\(measured)")

        network.assign(.dead, to: 0.3)
        network.now = network.now.advanced(by: .seconds(700))
        for node in network.honest { network.refresh(node) }
        measured = Self.measure(&network)
        print("simulation of 100 after a refresh with 30 % dead, seed \(Self.seed): \(measured)")
        #expect(measured.meanFound >= 0.99, "\(measured)")
    }

    @Test("What is provided is found, also when half of the network has died, and two days later no more")
    func providing() {
        var network = SimulatedNetwork(200, seed: Self.seed)
        let keys = (0..<20).map { number in Array("key \(number)".utf8) }
        for (number, key) in keys.enumerated() { Self.provide(key, from: number, in: &network) }
        #expect(Self.found(keys, in: &network) == keys.count)

        network.now = network.now.advanced(by: .seconds(22 * 3_600))
        for (number, key) in keys.enumerated() { Self.provide(key, from: number, in: &network) }
        network.now = network.now.advanced(by: .seconds(30 * 3_600))
        #expect(Self.found(keys, in: &network) == keys.count)

        network.assign(.dead, to: 0.5)
        #expect(Self.found(keys, in: &network) == keys.count)
        for node in network.nodes.indices { network.nodes[node].role = .honest }
        network.now = network.now.advanced(by: .seconds(48 * 3_600))
        #expect(Self.found(keys, in: &network) == 0)
    }

    private static func provide(_ key: [UInt8], from node: Int, in network: inout SimulatedNetwork) {
        let holders = network.lookUp(KademliaPoint(ofKey: key), from: node).nearest
        let provider = network.nodes[node].peer
        for holder in holders { network.nodes[holder].providers.add(provider, at: [], for: key, now: network.now) }
    }

    private static func found(_ keys: [[UInt8]], in network: inout SimulatedNetwork) -> Int {
        var found = 0
        for (number, key) in keys.enumerated() {
            let askers = network.honest.filter { $0 != number }
            let asker = askers[Int.random(in: 0..<askers.count, using: &network.generator)]
            let outcome = network.lookUp(KademliaPoint(ofKey: key), from: asker, key: key)
            if outcome.providers.contains(network.nodes[number].peer) { found += 1 }
        }
        return found
    }

    @Test("Of a value that was put, at least sixteen of twenty holders are met; an older one never wins")
    func values() {
        var network = SimulatedNetwork(200, seed: Self.seed)
        let validator = AnyValueValidator()
        for number in 0..<10 {
            let key = Array("/any/\(number)".utf8)
            let point = KademliaPoint(ofKey: key)
            let (old, new) = (Array("1".utf8), Array("2".utf8))
            for holder in network.lookUp(point, from: number).nearest {
                network.nodes[holder].values.put(KademliaRecord(key: key, value: new), at: network.now)
            }
            // A few that hold the old one, as after a time away.
            for holder in network.trulyNearest(to: point, count: 3) {
                network.nodes[holder].values.put(KademliaRecord(key: key, value: old), at: network.now)
            }
            var search = ValueSearch(key, validator)
            let outcome = network.lookUp(point, from: 100 + number, key: key)
            for value in outcome.values { _ = search.add(value, from: network.nodes[0].peer) }
            #expect(outcome.values.count >= 16)
            #expect(search.best == new)
        }
    }
}
