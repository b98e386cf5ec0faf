package import NIOCore
import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// Who has what, as peers have said of themselves.
///
/// A value: time is an argument. Bounded for each key, for each peer and over all, by number and bytes; the one that ends soonest makes room. What this node has itself
/// is not in it (``ProviderKeystore``): it neither makes room nor takes any away.
package struct ProviderStore: Sendable {
    private struct Entry: Sendable {
        let addresses: PackedAddresses
        let expiresAt: NIODeadline
    }

    /// How long it is believed that somebody has something (kad-dht spec, "Content provider advertisement").
    package static let lifetime = Duration.seconds(48 * 3_600)

    /// Keys that are looked at for one to make room.
    private static let sample = 64
    /// What an entry takes up besides its addresses, in bytes: a peer's id, places in two tables, and its part of the key's.
    private static let entrySize = 192

    private let perKey: Int
    private let perPeer: Int
    private let limit: Int
    private let byteLimit: Int
    private var entries: [[UInt8]: [PeerID: Entry]] = [:]
    private var keysOf: [PeerID: Int] = [:]
    private var touched: TouchedKeys
    /// Pairs of a key and a peer.
    package private(set) var count = 0
    /// Bytes that they take up, roughly.
    package private(set) var bytes = 0

    package init(
        perKey: Int = KademliaLimits.providersPerKey, perPeer: Int = KademliaLimits.keysPerProvider,
        limit: Int = KademliaLimits.providers, byteLimit: Int = KademliaLimits.providerBytes
    ) {
        self.perKey = max(1, perKey)
        self.perPeer = max(1, perPeer)
        self.limit = max(1, limit)
        self.byteLimit = max(Self.entrySize, byteLimit)
        self.touched = TouchedKeys(limit: 2 * max(1, limit))
    }

    /// How many keys somebody has.
    package var keyCount: Int { self.entries.count }

    /// Who has it, whose time is not over.
    package func providers(of key: [UInt8], at now: NIODeadline) -> [KademliaContact] {
        self.entries(of: key, at: now).map(\.contact)
    }

    /// The same, each with the end of its time.
    func entries(of key: [UInt8], at now: NIODeadline) -> [(contact: KademliaContact, end: NIODeadline)] {
        (self.entries[key] ?? [:]).filter { $0.value.expiresAt > now }
            .map { (KademliaContact($0.key, at: $0.value.addresses.addresses), $0.value.expiresAt) }
    }

    /// Keeps that a peer has something.
    ///
    /// - Parameter isKept: it is written down as it is already.
    /// - Returns: false when there is no room.
    @discardableResult
    package mutating func add(
        _ peer: PeerID, at addresses: [Multiaddr], for key: [UInt8], lifetime: Duration = Self.lifetime, now: NIODeadline,
        isKept: Bool = false
    ) -> Bool {
        let entry = Entry(addresses: PackedAddresses(addresses.prefix(KademliaLimits.addressesSent)), expiresAt: now.advanced(by: lifetime))
        if self.entries[key]?[peer] != nil {
            self.remove(peer, of: key)
        } else {
            // A peer that has too much is not heard, rather than that it drives out what it said before.
            guard self.keysOf[peer, default: 0] < self.perPeer else { return false }
            if let others = self.entries[key], others.count >= self.perKey { self.makeRoom(among: others, of: key) }
        }
        let size = Self.size(of: entry, key)
        guard size <= self.byteLimit else { return false }
        while self.count >= self.limit || self.bytes + size > self.byteLimit {
            let before = self.count
            self.makeRoom()
            guard self.count < before else { return false }
        }
        self.entries[key, default: [:]][peer] = entry
        self.keysOf[peer, default: 0] += 1
        self.count += 1
        self.bytes += size
        if !isKept { self.touched.touch(key) }
        return true
    }

    package mutating func remove(_ peer: PeerID, of key: [UInt8]) {
        guard let entry = self.entries[key]?.removeValue(forKey: peer) else { return }
        if self.entries[key]?.isEmpty == true { self.entries[key] = nil }
        let left = self.keysOf[peer, default: 1] - 1
        self.keysOf[peer] = left > 0 ? left : nil
        self.count -= 1
        self.bytes -= Self.size(of: entry, key)
        self.touched.touch(key)
    }

    /// Forgets what is over.
    package mutating func expire(at now: NIODeadline) {
        for (key, entries) in self.entries {
            for (peer, entry) in entries where entry.expiresAt <= now { self.remove(peer, of: key) }
        }
    }

    private mutating func makeRoom(among others: [PeerID: Entry], of key: [UInt8]) {
        guard let soonest = others.min(by: { $0.value.expiresAt < $1.value.expiresAt })?.key else { return }
        self.remove(soonest, of: key)
    }

    /// Of some keys, the one with the most providers loses one: whoever floods one key drives out itself, and whoever floods many meets its own bound.
    private mutating func makeRoom() {
        let some = self.entries.lazy.prefix(Self.sample)
        guard let fullest = some.max(by: { $0.value.count < $1.value.count }) else { return }
        self.makeRoom(among: fullest.value, of: fullest.key)
    }

    private static func size(of entry: Entry, _ key: [UInt8]) -> Int { Self.entrySize + key.count + entry.addresses.size }

    // MARK: Keeping

    /// From now on it notes under which keys something changes.
    mutating func keepTouches() { self.touched.begin() }

    /// Some of the keys under which something has changed since they were last taken.
    mutating func takeTouched(upTo count: Int) -> [[UInt8]] { self.touched.take(upTo: count) }
}
