package import P2PIdentity

/// Which keys of many go to which peers, region by region: a region is looked up once, whatever number of keys lies in it.
///
/// A value. It names a key to look up, is told the peers nearest to that, names another on the other side of the region's border, and then says who gets what. So the cost is
/// bounded by the network, not by the keys (go-libp2p-kad-dht, "provider").
package struct ProviderSweep: Sendable {
    /// What to do next.
    package enum Step: Hashable, Sendable {
        /// Look up who is nearest to this key, and tell it.
        case lookUp([UInt8])
        /// Tell each of these peers that they are to keep these keys, then come again.
        case store([PeerID: [[UInt8]]])
        case finished
    }

    private struct Entry: Sendable {
        let point: KademliaPoint
        let key: [UInt8]
    }

    private enum Phase: Sendable {
        case idle
        /// Asked about the first of those that wait.
        case here
        /// Asked about the other side of the border, which lies behind so many bits.
        case beyond(border: Int, near: [PeerID])
        case known(Region)
    }

    private struct Region: Sendable {
        /// How many of its first bits are those of the first key that waits.
        let prefix: Int
        let peers: [PeerID]
    }

    private let replication: Int
    private let point: @Sendable (PeerID) -> KademliaPoint
    /// By place, the first to come last.
    private var waiting: [Entry]
    private var phase = Phase.idle
    /// How many look-ups it has asked for.
    package private(set) var lookups = 0

    /// - Parameter replication: how many peers get each key.
    package init(
        _ keys: some Sequence<[UInt8]>, replication: Int = 20,
        point: @escaping @Sendable (PeerID) -> KademliaPoint = { KademliaPoint(of: $0) }
    ) {
        let zero = KademliaPoint(0, 0, 0, 0)
        self.replication = max(1, replication)
        self.point = point
        self.waiting = keys.map { Entry(point: KademliaPoint(ofKey: $0), key: $0) }
            .sorted { $0.point.distance(to: zero) > $1.point.distance(to: zero) }
    }

    /// How many keys are left.
    package var count: Int { self.waiting.count }

    /// What to do now.
    package mutating func next() -> Step {
        guard let first = self.waiting.last else { return .finished }
        switch self.phase {
        case .idle, .here:
            self.phase = .here
            self.lookups += 1
            return .lookUp(first.key)
        case .beyond(let border, let near):
            guard let key = RoutingTable.key(in: border, of: first.point, startingAt: UInt64(self.waiting.count) << 32) else {
                self.phase = .known(Region(prefix: border + 1, peers: near))
                return self.next()
            }
            self.lookups += 1
            return .lookUp(key)
        case .known(let region):
            self.phase = .idle
            return .store(self.take(region, around: first.point))
        }
    }

    /// The peers nearest to the key that was to be looked up; nobody when that failed, which leaves its region out.
    package mutating func found(_ nearest: [PeerID]) {
        guard let first = self.waiting.last else { return }
        switch self.phase {
        case .here:
            guard nearest.count >= self.replication, let last = nearest.last else {
                // That is everybody there is, or the region can't be reached.
                self.phase = .known(Region(prefix: nearest.isEmpty ? 256 : 0, peers: nearest))
                return
            }
            let border = self.point(last).commonPrefix(with: first.point)
            self.phase =
                border > RoutingTable.deepestRefresh
                ? .known(Region(prefix: border + 1, peers: nearest)) : .beyond(border: border, near: nearest)
        case .beyond(let border, let near):
            // Some of them on this side of the border: then everybody on the other side is known, and both sides are one region.
            let isWhole = nearest.count < self.replication || nearest.contains { self.point($0).commonPrefix(with: first.point) != border }
            self.phase = .known(Region(prefix: isWhole ? border : border + 1, peers: near + nearest.filter { !near.contains($0) }))
        case .idle, .known: break
        }
    }

    private mutating func take(_ region: Region, around point: KademliaPoint) -> [PeerID: [[UInt8]]] {
        var stored: [PeerID: [[UInt8]]] = [:]
        let peers = region.peers.map { (peer: $0, point: self.point($0)) }
        // They lie side by side, since they are in order.
        while let entry = self.waiting.last, entry.point.commonPrefix(with: point) >= region.prefix {
            self.waiting.removeLast()
            let nearest = peers.sorted { $0.point.distance(to: entry.point) < $1.point.distance(to: entry.point) }
            for peer in nearest.prefix(self.replication) { stored[peer.peer, default: []].append(entry.key) }
        }
        return stored
    }
}
