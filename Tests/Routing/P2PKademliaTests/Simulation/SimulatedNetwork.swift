import NIOCore
import P2PCore
import P2PIdentity
import P2PTesting

@testable import P2PKademlia

/// A network of tables in virtual time: the machines themselves, with a queue in the place of streams.
struct SimulatedNetwork {
    enum Role {
        case honest
        /// Its dial fails after ``SimulatedNetwork/dialTimeout``.
        case dead
        /// It answers, and names nobody.
        case empty
        /// It names other liars alone, the nearest first.
        case colluding
        /// It names twenty peers near the target that do not exist.
        case inventing
    }

    struct Node {
        let peer: PeerID
        let point: KademliaPoint
        var table: RoutingTable
        var providers: ProviderStore
        var values = ValueStore()
        var role = Role.honest
    }

    /// What came of a look-up.
    struct Outcome {
        var lookup: Lookup
        var duration: Duration
        /// The nearest that answered, as indices.
        var nearest: [Int]
        var providers: Set<PeerID> = []
        var values: [[UInt8]] = []
    }

    static let dialTimeout = Duration.seconds(5)

    let seed: UInt64
    var nodes: [Node] = []
    var index: [PeerID: Int] = [:]
    private var points: [PeerID: KademliaPoint] = [:]
    /// Those that a liar has made up in the look-up that is under way.
    private var invented: [PeerID] = []
    var generator: SeededGenerator
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// - Parameter isConverged: every table has what it would have after long; otherwise they are empty.
    init(_ count: Int, seed: UInt64, isConverged: Bool = true) {
        self.seed = seed
        self.generator = SeededGenerator(seed: seed)
        for _ in 0..<count { _ = self.add() }
        if isConverged { self.converge() }
    }

    mutating func add() -> Int {
        let peer = self.randomPeer()
        let point = self.randomPoint()
        self.points[peer] = point
        self.index[peer] = self.nodes.count
        self.nodes.append(Node(peer: peer, point: point, table: RoutingTable(at: point), providers: ProviderStore()))
        return self.nodes.count - 1
    }

    /// A node that shares so many bits with a place; who has room for it knows it.
    mutating func add(near target: KademliaPoint, bits: Int, as role: Role) {
        let node = self.add()
        var point = target.flippingBit(bits)
        for bit in (bits + 1)..<(bits + 40) where Bool.random(using: &self.generator) { point = point.flippingBit(bit) }
        let peer = self.nodes[node].peer
        self.points[peer] = point
        self.nodes[node] = Node(peer: peer, point: point, table: RoutingTable(at: point), providers: ProviderStore(), role: role)
        for other in self.nodes.indices where other != node { self.nodes[other].table.offer(peer, point: point, now: self.now) }
    }

    mutating func randomPoint() -> KademliaPoint {
        KademliaPoint(self.generator.next(), self.generator.next(), self.generator.next(), self.generator.next())
    }

    private mutating func randomPeer() -> PeerID {
        var bytes: [UInt8] = [0x12, 0x20]
        for _ in 0..<4 {
            let word = self.generator.next()
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
        guard let peer = try? PeerID(bytes: bytes) else { preconditionFailure("a digest of 32 bytes is a peer id") }
        return peer
    }

    func point(of peer: PeerID) -> KademliaPoint { self.points[peer] ?? KademliaPoint(of: peer) }

    /// Fills every bucket with as many as there are, twenty at most, taken at random.
    private mutating func converge() {
        for node in self.nodes.indices {
            var buckets: [Int: [Int]] = [:]
            for other in self.nodes.indices where other != node {
                buckets[self.nodes[node].point.commonPrefix(with: self.nodes[other].point), default: []].append(other)
            }
            for bucket in buckets.keys.sorted() {
                var others = buckets[bucket] ?? []
                for taken in 0..<min(others.count, 20) {
                    others.swapAt(taken, Int.random(in: taken..<others.count, using: &self.generator))
                    let other = self.nodes[others[taken]]
                    self.nodes[node].table.offer(other.peer, point: other.point, now: self.now)
                }
            }
        }
    }

    /// Gives so large a part of the nodes a role, at random.
    mutating func assign(_ role: Role, to part: Double) {
        let chosen = self.nodes.indices.shuffled(using: &self.generator).prefix(Int((Double(self.nodes.count) * part).rounded()))
        for node in chosen { self.nodes[node].role = role }
    }

    var honest: [Int] { self.nodes.indices.filter { self.nodes[$0].role == .honest } }

    /// The nearest nodes that answer honestly.
    func trulyNearest(to target: KademliaPoint, count: Int = 20, except node: Int? = nil) -> [Int] {
        self.nearest(to: target, among: self.honest.filter { $0 != node }, count: count)
    }

    /// The nearest of some nodes, the nearest first.
    func nearest(to target: KademliaPoint, among nodes: some Sequence<Int>, count: Int = 20) -> [Int] {
        nodes.map { (distance: self.nodes[$0].point.distance(to: target), node: $0) }.sorted { $0.distance < $1.distance }
            .prefix(count).map(\.node)
    }

    // MARK: Looking up

    private struct Arrival {
        let time: NIODeadline
        let order: Int
        let peer: PeerID
        /// Nil for a dial that failed.
        let node: Int?
    }

    /// Looks a place up from a node.
    ///
    /// - Parameters:
    ///   - learns: whoever answers is offered to the table, whoever is silent leaves it.
    ///   - key: what the providers and values of those asked are looked up for.
    ///   - count: how many of the nearest it is after.
    ///   - isEnough: is told what the look-up knows after each answer; true ends it.
    mutating func lookUp(
        _ target: KademliaPoint, from node: Int, learns: Bool = false, key: [UInt8]? = nil, count: Int = 20,
        isEnough: (Lookup) -> Bool = { _ in false }
    ) -> Outcome {
        let seeds = self.nodes[node].table.nearest(to: target, count: count * Lookup.Terms.seeds).map { Lookup.Contact($0.peer) }
        var terms = Lookup.Terms()
        terms.count = count
        var lookup = Lookup(
            towards: target, from: seeds, ownPeer: self.nodes[node].peer, terms: terms, point: { self.point(of: $0) })
        var outcome = Outcome(lookup: lookup, duration: .zero, nearest: [])
        let start = self.now
        var queue: [Arrival] = []
        var order = 0
        looking: while true {
            var wake: NIODeadline?
            switch lookup.next(at: self.now) {
            case .finished: break looking
            case .ask(let contacts):
                for contact in contacts {
                    order += 1
                    let other = self.index[contact.peer]
                    let isReached = other.map { self.nodes[$0].role != .dead } ?? false
                    let delay = isReached ? self.oneWay() + self.oneWay() : Self.dialTimeout
                    queue.append(
                        Arrival(time: self.now.advanced(by: delay), order: order, peer: contact.peer, node: isReached ? other : nil))
                }
                continue looking
            case .wait(let until): wake = until
            }
            let next = queue.indices.min { (queue[$0].time, queue[$0].order) < (queue[$1].time, queue[$1].order) }
            guard let next, wake.map({ queue[next].time <= $0 }) ?? true else {
                guard let wake, wake != .distantFuture else { break looking }
                self.now = wake
                continue looking
            }
            let arrival = queue.remove(at: next)
            self.now = max(self.now, arrival.time)
            guard let other = arrival.node else {
                lookup.failed(arrival.peer)
                if learns { self.nodes[node].table.remove(arrival.peer, point: self.point(of: arrival.peer)) }
                continue
            }
            let named = self.answer(of: other, about: target, to: node)
            // Those that were invented have places now.
            lookup.answered(arrival.peer, naming: named.map { Lookup.Contact($0) }, point: { self.point(of: $0) })
            if learns { self.nodes[node].table.offer(arrival.peer, point: self.nodes[other].point, now: self.now) }
            if learns { self.nodes[other].table.offer(self.nodes[node].peer, point: self.nodes[node].point, now: self.now) }
            if let key {
                outcome.providers.formUnion(self.nodes[other].providers.providers(of: key, at: self.now).map(\.peer))
                if let value = self.nodes[other].values.record(for: key, at: self.now)?.value { outcome.values.append(value) }
            }
            if isEnough(lookup) { break looking }
        }
        if learns {
            for peer in lookup.unanswered { self.nodes[node].table.suspect(peer, point: self.point(of: peer)) }
        }
        for peer in self.invented { self.points[peer] = nil }
        self.invented = []
        outcome.duration = .nanoseconds((self.now - start).nanoseconds)
        outcome.nearest = lookup.nearest.compactMap { self.index[$0.peer] }
        outcome.lookup = lookup
        return outcome
    }

    private mutating func oneWay() -> Duration { .milliseconds(Int64.random(in: 20...180, using: &self.generator)) }

    private mutating func answer(of node: Int, about target: KademliaPoint, to requester: Int) -> [PeerID] {
        switch self.nodes[node].role {
        case .dead, .empty: return []
        case .honest:
            return self.nodes[node].table.nearest(to: target, count: 20, except: self.nodes[requester].peer).map(\.peer)
        case .colluding:
            let liars = self.nodes.indices.filter { self.nodes[$0].role == .colluding && $0 != node }
            return self.nearest(to: target, among: liars).map { self.nodes[$0].peer }
        case .inventing:
            return (0..<20).map { _ in
                let peer = self.randomPeer()
                // As near as the truly nearest: the first 16 bits are the target's.
                var point = target
                for bit in 16..<64 where Bool.random(using: &self.generator) { point = point.flippingBit(bit) }
                self.points[peer] = point
                self.invented.append(peer)
                return peer
            }
        }
    }

    // MARK: Joining and refreshing

    /// A new node joins by way of another: it looks itself up, then a place in each bucket.
    ///
    /// - Returns: messages that it cost.
    mutating func join(_ node: Int, by way: Int) -> Int {
        self.nodes[node].table.offer(self.nodes[way].peer, point: self.nodes[way].point, now: self.now)
        self.nodes[way].table.offer(self.nodes[node].peer, point: self.nodes[node].point, now: self.now)
        return self.refresh(node)
    }

    /// Looks the node itself up, then a place in each bucket that has somebody, or could have.
    ///
    /// - Returns: messages that it cost.
    @discardableResult
    mutating func refresh(_ node: Int) -> Int {
        var messages = self.lookUp(self.nodes[node].point, from: node, learns: true).lookup.messages
        let buckets = self.nodes[node].table.bucketsToRefresh(every: .seconds(600), at: self.now)
        messages += self.lookThrough(buckets, of: node)
        let silent = self.nodes[node].table.silent(for: .seconds(43 * 60), at: self.now)
        messages += silent.count
        let gone = silent.filter { contact in self.index[contact.peer].map { self.nodes[$0].role == .dead } ?? true }
        for contact in gone { self.nodes[node].table.remove(contact.peer, point: self.point(of: contact.peer)) }
        if !gone.isEmpty {
            messages += self.lookUp(self.nodes[node].point, from: node, learns: true).lookup.messages
            messages += self.lookThrough(buckets, of: node)
        }
        return messages
    }

    private mutating func lookThrough(_ buckets: [Int], of node: Int) -> Int {
        var messages = 0
        for bucket in buckets {
            var target = self.nodes[node].point.flippingBit(bucket)
            for bit in (bucket + 1)..<64 where Bool.random(using: &self.generator) { target = target.flippingBit(bit) }
            messages += self.lookUp(target, from: node, learns: true).lookup.messages
        }
        return messages
    }
}
