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
    /// Look-ups of one measurement; P2P_SIMULATION_LOOKUPS=200 makes it as thorough as the gates are meant (`make gates`).
    static let lookups = ProcessInfo.processInfo.environment["P2P_SIMULATION_LOOKUPS"].flatMap { Int($0) } ?? 30
    /// What decides over a network; P2P_SIMULATION_SEED takes another.
    static let seed = ProcessInfo.processInfo.environment["P2P_SIMULATION_SEED"].flatMap { UInt64($0) } ?? 7
    /// Whether it is measured as the gates are meant, and then every kind of network at every size.
    static let isThorough = lookups >= 200
    static let sizes = isThorough ? [50, 100, 200, 500, 1_000] : [200, 1_000]
    static let oneOrAll = isThorough ? sizes : [200]
    /// Look-ups in a network of that size, where each takes its time.
    private static func lookups(in size: Int) -> Int { !self.isThorough && size > 200 ? self.lookups / 2 : self.lookups }

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
            nearest \(self.nearest) of \(self.count), seed \(SimulationTests.seed)
            """
        }
    }

    /// Looks places up from honest nodes.
    ///
    /// - Parameter hasLiars: liars answer, so they stand among the nearest, and what counts is that the honest ones of those are found.
    static func measure(_ network: inout SimulatedNetwork, _ count: Int = Self.lookups, hasLiars: Bool = false) -> Measurement {
        var measurement = Measurement()
        let askers = network.honest
        for _ in 0..<count {
            let asker = askers[Int.random(in: 0..<askers.count, using: &network.generator)]
            let target = network.randomPoint()
            let outcome = network.lookUp(target, from: asker)
            var truth = network.trulyNearest(to: target, except: asker)
            if hasLiars {
                let all = network.nearest(to: target, among: network.nodes.indices.filter { $0 != asker })
                truth = all.filter { network.nodes[$0].role == .honest }
            }
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

    @Test("With all alive, the nearest are found in few steps", arguments: [(50, 2), (100, 3), (200, 3), (500, 4), (1_000, 4)])
    func alive(size: Int, hops: Int) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        let measured = Self.measure(&network, Self.lookups(in: size))
        print("simulation of \(size), all alive: \(measured)")
        #expect(measured.hops.max() ?? 0 <= hops, "\(measured)")
        #expect(measured.percentile(0.95, of: measured.messages) <= 50, "\(measured)")
        #expect(measured.meanFound >= 0.99, "\(measured)")
        #expect(measured.nearest == measured.count, "\(measured)")
    }

    /// What has to be found at least where so large a part of so many is dead.
    struct Losses: CustomTestStringConvertible {
        let size: Int
        let part: Double
        let found: Double

        var testDescription: String { "\(Int(self.part * 100)) % of \(self.size) dead" }

        /// Tables hold twenty of a bucket, the dead among them: the larger the network, the more of those who are alive are named by others.
        static let all: [Losses] = {
            let measured = [Losses(size: 100, part: 0.3, found: 0.8), Losses(size: 1_000, part: 0.3, found: 0.95)]
            guard SimulationTests.isThorough else { return measured + [Losses(size: 200, part: 0.5, found: 0.6)] }
            return measured + [50, 200, 500].map { Losses(size: $0, part: 0.3, found: 0.8) }
                + SimulationTests.sizes.map { Losses(size: $0, part: 0.5, found: $0 < 500 ? 0.6 : 0.8) }
        }()
    }

    @Test("With three of ten dead, or five, nobody waits for them", arguments: SimulationTests.Losses.all)
    func dead(losses: Losses) {
        var network = SimulatedNetwork(losses.size, seed: Self.seed)
        network.assign(.dead, to: losses.part)
        let measured = Self.measure(&network)
        print("simulation of \(losses.size), \(Int(losses.part * 100)) % dead: \(measured)")
        #expect(measured.meanFound >= losses.found, "\(measured)")
        #expect(measured.nearest == measured.count, "\(measured)")
        // What it may cost has a bound for three of ten alone.
        guard losses.part <= 0.3 else { return }
        #expect(measured.percentile(0.95, of: measured.messages) <= 75, "\(measured)")
        #expect(measured.percentile(0.95, of: measured.times) <= .seconds(3), "\(measured)")
    }

    @Test(
        "Liars who name nobody, or each other, hide nothing", arguments: [SimulatedNetwork.Role.empty, .colluding], SimulationTests.sizes)
    func liars(role: SimulatedNetwork.Role, size: Int) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        network.assign(role, to: 0.2)
        let measured = Self.measure(&network, hasLiars: true)
        print("simulation of \(size), 20 % \(role): \(measured)")
        #expect(measured.meanFound >= 0.99, "\(measured)")
        #expect(measured.percentile(0.95, of: measured.messages) <= 60, "\(measured)")
    }

    @Test("Liars who invent peers cost time, and hide nothing", arguments: SimulationTests.sizes)
    func inventors(size: Int) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        network.assign(.inventing, to: 0.2)
        let measured = Self.measure(&network, Self.isThorough ? Self.lookups : Self.lookups / 2, hasLiars: true)
        print("simulation of \(size), 20 % inventing: \(measured)")
        #expect(measured.meanFound >= 0.99, "\(measured)")
        #expect(measured.messages.max() ?? 0 <= 400, "\(measured)")
        #expect(measured.times.max() ?? .zero <= .seconds(25), "\(measured)")
    }

    @Test("A network that came about by joining is as good, and one refresh mends it after three of ten have died")
    func joiningAndMending() {
        var network = SimulatedNetwork(1, seed: Self.seed, isConverged: false)
        var costs: [Int] = []
        while network.nodes.count < 100 {
            let node = network.add()
            costs.append(network.join(node, by: 0))
        }
        let mean = costs.reduce(0, +) / costs.count
        print("simulation: joins of 100 cost \(mean) messages on average, \(costs.max() ?? 0) at most, seed \(Self.seed)")
        #expect(mean <= 250, "seed \(Self.seed)")
        let measured = Self.measure(&network)
        print("simulation of 100 that have joined: \(measured)")
        #expect(measured.meanFound >= 0.95, "\(measured)")
        Self.mend(&network)
    }

    @Test(
        "One refresh mends a network of any size after three of ten have died", .enabled(if: SimulationTests.isThorough),
        arguments: SimulationTests.sizes)
    func mending(size: Int) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        Self.mend(&network)
    }

    private static func mend(_ network: inout SimulatedNetwork) {
        network.assign(.dead, to: 0.3)
        network.now = network.now.advanced(by: .seconds(700))
        for node in network.honest { network.refresh(node) }
        let measured = Self.measure(&network)
        print("simulation of \(network.nodes.count) after a refresh with 30 % dead: \(measured)")
        #expect(measured.meanFound >= 0.99, "\(measured)")
    }

    @Test("What is provided is found, also when half of them have died, and two days later no more", arguments: SimulationTests.oneOrAll)
    func providing(size: Int) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        let keys = (0..<(Self.isThorough ? Self.lookups : 20)).map { number in Array("key \(number)".utf8) }
        for (number, key) in keys.enumerated() { Self.provide(key, from: number % size, in: &network) }
        #expect(Self.found(keys, in: &network) == keys.count, "seed \(Self.seed)")

        network.now = network.now.advanced(by: .seconds(22 * 3_600))
        for (number, key) in keys.enumerated() { Self.provide(key, from: number % size, in: &network) }
        network.now = network.now.advanced(by: .seconds(30 * 3_600))
        #expect(Self.found(keys, in: &network) == keys.count, "seed \(Self.seed)")

        network.assign(.dead, to: 0.5)
        let found = Self.found(keys, in: &network)
        print("simulation of \(size), half dead: \(found) of \(keys.count) keys found, seed \(Self.seed)")
        #expect(Double(found) >= 0.99 * Double(keys.count), "\(found) of \(keys.count), seed \(Self.seed)")
        for node in network.nodes.indices { network.nodes[node].role = .honest }
        network.now = network.now.advanced(by: .seconds(48 * 3_600))
        #expect(Self.found(keys, in: &network) == 0, "seed \(Self.seed)")
    }

    private static func provide(_ key: [UInt8], from node: Int, in network: inout SimulatedNetwork) {
        let holders = network.lookUp(KademliaPoint(ofKey: key), from: node).nearest
        let provider = network.nodes[node].peer
        for holder in holders { network.nodes[holder].providers.add(provider, at: [], for: key, now: network.now) }
    }

    private static func found(_ keys: [[UInt8]], in network: inout SimulatedNetwork) -> Int {
        var found = 0
        for (number, key) in keys.enumerated() {
            let provider = number % network.nodes.count
            let askers = network.honest.filter { $0 != provider }
            let asker = askers[Int.random(in: 0..<askers.count, using: &network.generator)]
            let outcome = network.lookUp(KademliaPoint(ofKey: key), from: asker, key: key)
            if outcome.providers.contains(network.nodes[provider].peer) { found += 1 }
        }
        return found
    }

    @Test("Of the twenty holders of a value at least sixteen are met, and an older one never wins", arguments: SimulationTests.oneOrAll)
    func values(size: Int) {
        var network = SimulatedNetwork(size, seed: Self.seed)
        let validator = AnyValueValidator()
        for number in 0..<(Self.isThorough ? Self.lookups : 10) {
            let key = Array("/any/\(number)".utf8)
            let point = KademliaPoint(ofKey: key)
            let (old, new) = (Array("1".utf8), Array("2".utf8))
            for holder in network.lookUp(point, from: number % size).nearest {
                network.nodes[holder].values.put(KademliaRecord(key: key, value: new), at: network.now)
            }
            // A few that hold the old one, as after a time away.
            for holder in network.trulyNearest(to: point, count: 3) {
                network.nodes[holder].values.put(KademliaRecord(key: key, value: old), at: network.now)
            }
            var search = ValueSearch(key, validator)
            let outcome = network.lookUp(point, from: (number + size / 2) % size, key: key)
            for value in outcome.values { _ = search.add(value, from: network.nodes[0].peer) }
            #expect(outcome.values.count >= 16, "seed \(Self.seed)")
            #expect(search.best == new, "seed \(Self.seed)")
        }
    }
}
