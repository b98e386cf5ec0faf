package import NIOCore
import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// The servers that this node knows, by how many of their first bits it shares with them.
///
/// A value: time is an argument. Whoever is in it has answered, and stays for as long as it does (Kademlia, section 2.4: who has been there for long
/// will be for longer): nobody is displaced by a newcomer, so that a flood of fresh ids finds no room.
package struct RoutingTable: Sendable {
    /// A peer in the table.
    struct Entry: Sendable {
        let peer: PeerID
        let point: KademliaPoint
        var addresses: PackedAddresses
        var group: NetworkGroup?
        var answeredAt: NIODeadline
        /// It was asked since, and had not answered when nobody waited any more.
        var isSuspect = false
    }

    /// What became of a peer that was offered.
    package enum Offer: Hashable, Sendable {
        case added
        /// It is there already; its addresses are the new ones now.
        case refreshed
        case bucketFull
        /// There are enough peers of its ``NetworkGroup``.
        case groupFull
        /// It is this node.
        case isSelf
    }

    /// Peers of one bucket.
    package let bucketSize: Int
    package let diversity: DiversityLimits
    /// Where this node is.
    package let ownPoint: KademliaPoint

    /// The bucket of a number has those that share so many bits; there are none behind the last that has one.
    private var buckets: [[Entry]] = []
    private var refreshedAt: [NIODeadline?] = []
    private var groups: [NetworkGroup: Int] = [:]
    /// How many peers there are.
    package private(set) var count = 0
    /// How often somebody came, left, or told other addresses.
    package private(set) var changes = 0

    package init(at ownPoint: KademliaPoint, bucketSize: Int = 20, diversity: DiversityLimits = .none) {
        self.ownPoint = ownPoint
        self.bucketSize = max(1, bucketSize)
        self.diversity = diversity
    }

    package var isEmpty: Bool { self.count == 0 }

    /// How many peers each bucket has.
    package var bucketCounts: [Int] { self.buckets.map(\.count) }

    /// Everybody in the table, the farthest first.
    package var peers: [PeerID] { self.buckets.flatMap { $0.map(\.peer) } }

    /// Bytes that the table holds, roughly.
    package var size: Int {
        self.buckets.reduce(0) { sum, bucket in
            sum + bucket.capacity * MemoryLayout<Entry>.stride + bucket.reduce(0) { $0 + $1.addresses.size + 32 }
        } + self.groups.capacity * 64
    }

    // MARK: Who is in it

    package func contains(_ peer: PeerID) -> Bool { self.place(of: peer, at: KademliaPoint(of: peer)) != nil }

    /// Whether there would be room for a peer, as far as its id says.
    package func wants(_ peer: PeerID) -> Bool {
        let point = KademliaPoint(of: peer)
        guard point != self.ownPoint else { return false }
        let bucket = self.bucketIndex(of: point)
        guard bucket < self.buckets.count else { return true }
        return self.buckets[bucket].count < self.bucketSize && self.place(of: peer, at: point) == nil
    }

    /// Takes in a peer that has just answered, if there is room.
    ///
    /// - Parameter seenAt: the other end of its connection, whose ``NetworkGroup`` counts; without one, that of its addresses does.
    @discardableResult
    package mutating func offer(
        _ peer: PeerID, at addresses: [Multiaddr] = [], seenAt: Multiaddr? = nil, point: KademliaPoint? = nil, now: NIODeadline
    ) -> Offer {
        let point = point ?? KademliaPoint(of: peer)
        guard point != self.ownPoint else { return .isSelf }
        let packed = PackedAddresses(addresses.prefix(KademliaLimits.addressesSent))
        if let place = self.place(of: peer, at: point) {
            self.buckets[place.bucket][place.index].answeredAt = now
            self.buckets[place.bucket][place.index].isSuspect = false
            if !addresses.isEmpty, self.buckets[place.bucket][place.index].addresses != packed {
                self.buckets[place.bucket][place.index].addresses = packed
                self.changes += 1
            }
            return .refreshed
        }
        let bucket = self.bucketIndex(of: point)
        let group = seenAt.flatMap { NetworkGroup(of: $0) } ?? addresses.lazy.compactMap(NetworkGroup.init(of:)).first
        let others = bucket < self.buckets.count ? self.buckets[bucket] : []
        guard others.count < self.bucketSize else { return .bucketFull }
        if let group {
            let isFull =
                self.groups[group, default: 0] >= self.diversity.perTable
                || others.count { $0.group == group } >= self.diversity.perBucket
            guard !isFull else { return .groupFull }
            self.groups[group, default: 0] += 1
        }
        while self.buckets.count <= bucket {
            self.buckets.append([])
            self.refreshedAt.append(nil)
        }
        self.buckets[bucket].append(Entry(peer: peer, point: point, addresses: packed, group: group, answeredAt: now))
        self.count += 1
        self.changes += 1
        return .added
    }

    /// A peer had not answered when nobody waited any more: that proves nothing, but somebody should ask.
    package mutating func suspect(_ peer: PeerID, point: KademliaPoint? = nil) {
        guard let place = self.place(of: peer, at: point ?? KademliaPoint(of: peer)) else { return }
        self.buckets[place.bucket][place.index].isSuspect = true
    }

    /// Takes a peer out: it does not answer, or serves the protocol no more.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    package mutating func remove(_ peer: PeerID, point: KademliaPoint? = nil) -> Bool {
        guard let place = self.place(of: peer, at: point ?? KademliaPoint(of: peer)) else { return false }
        let entry = self.buckets[place.bucket].remove(at: place.index)
        self.count -= 1
        self.changes += 1
        if let group = entry.group {
            let left = self.groups[group, default: 1] - 1
            self.groups[group] = left > 0 ? left : nil
        }
        while self.buckets.last?.isEmpty == true {
            self.buckets.removeLast()
            self.refreshedAt.removeLast()
        }
        return true
    }

    // MARK: Who is near

    /// The peers nearest to a place, the nearest first.
    package func nearest(to target: KademliaPoint, count: Int, except: PeerID? = nil) -> [KademliaContact] {
        var found: [KademliaContact] = []
        for group in self.groups(by: target) {
            guard found.count < count else { break }
            var entries: [(distance: KademliaDistance, bucket: Int, index: Int)] = []
            for bucket in group {
                for index in self.buckets[bucket].indices where self.buckets[bucket][index].peer != except {
                    entries.append((self.buckets[bucket][index].point.distance(to: target), bucket, index))
                }
            }
            entries.sort { $0.distance < $1.distance }
            for place in entries.prefix(count - found.count) {
                let entry = self.buckets[place.bucket][place.index]
                found.append(KademliaContact(entry.peer, at: entry.addresses.addresses))
            }
        }
        return found
    }

    /// The buckets in groups, of which each is nearer to a place than the next: with c bits that the place shares with this node, those of bucket c
    /// share more with it, those behind share c, and those before as many as their number says.
    private func groups(by target: KademliaPoint) -> [Range<Int>] {
        let own = self.bucketIndex(of: target)
        guard own < self.buckets.count else { return self.buckets.indices.reversed().map { $0..<($0 + 1) } }
        return [own..<(own + 1), (own + 1)..<self.buckets.count] + (0..<own).reversed().map { $0..<($0 + 1) }
    }

    /// Where a peer of the table is; nil when it is not in it.
    package func contact(_ peer: PeerID) -> KademliaContact? {
        self.place(of: peer, at: KademliaPoint(of: peer)).map {
            KademliaContact(peer, at: self.buckets[$0.bucket][$0.index].addresses.addresses)
        }
    }

    // MARK: Keeping it fresh

    /// Those that have not answered for so long, and those that are suspected.
    package func silent(for duration: Duration, at now: NIODeadline) -> [KademliaContact] {
        self.buckets.flatMap { bucket in
            bucket.filter { $0.isSuspect || $0.answeredAt.advanced(by: duration) <= now }
                .map { KademliaContact($0.peer, at: $0.addresses.addresses) }
        }
    }

    /// The buckets to look up a key in, and they count as looked up from now on: those that nobody has looked into for so long, up to the first that is empty and
    /// twice as far as that (go's rule), for behind it there is nobody to be found.
    package mutating func bucketsToRefresh(every interval: Duration, at now: NIODeadline) -> [Int] {
        let last = min(self.buckets.count - 1, Self.deepestRefresh)
        guard last >= 0 else { return [] }
        let firstEmpty = self.buckets.firstIndex { $0.isEmpty } ?? self.buckets.count
        let end = min(last, 2 * (firstEmpty + 1))
        var due: [Int] = []
        for bucket in 0...end where self.refreshedAt[bucket].map({ $0.advanced(by: interval) <= now }) ?? true {
            self.refreshedAt[bucket] = now
            due.append(bucket)
        }
        return due
    }

    /// The deepest bucket for which a key is searched: one with that many bits in common takes twice two to the power of it hashes.
    package static let deepestRefresh = 15

    /// A key of which this node's place shares exactly so many bits, found by trying: `12 20` and a number, as other implementations' keys
    /// of this kind look.
    package static func key(in bucket: Int, of ownPoint: KademliaPoint, startingAt start: UInt64) -> [UInt8]? {
        let tries = 32 << UInt64(min(max(bucket, 0), Self.deepestRefresh))
        var key = [0x12, 0x20] + [UInt8](repeating: 0, count: 32)
        for attempt in 0..<UInt64(tries) {
            let number = start &+ attempt
            for byte in 0..<8 { key[2 + byte] = UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * byte)) }
            if KademliaPoint(ofKey: key).commonPrefix(with: ownPoint) == bucket { return key }
        }
        return nil
    }

    private func bucketIndex(of point: KademliaPoint) -> Int { min(self.ownPoint.commonPrefix(with: point), 255) }

    private func place(of peer: PeerID, at point: KademliaPoint) -> (bucket: Int, index: Int)? {
        let bucket = self.bucketIndex(of: point)
        guard bucket < self.buckets.count, let index = self.buckets[bucket].firstIndex(where: { $0.peer == peer }) else { return nil }
        return (bucket, index)
    }
}
