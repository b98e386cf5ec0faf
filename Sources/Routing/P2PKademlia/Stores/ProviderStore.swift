package import NIOCore
import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// Who has what, as peers have said of themselves.
///
/// A value: time is an argument. What others say is bounded for each key, for each peer and over all; the one that ends soonest makes room. What this node has itself
/// is kept apart: it neither makes room nor takes any away.
package struct ProviderStore: Sendable {
    private struct Entry: Sendable {
        let addresses: PackedAddresses
        let expiresAt: NIODeadline
    }

    /// How long it is believed that somebody has something (kad-dht spec, "Content provider advertisement").
    package static let lifetime = Duration.seconds(48 * 3_600)

    /// Keys of others that are looked at for one to make room.
    private static let sample = 64

    private let ownPeer: PeerID?
    private let perKey: Int
    private let perPeer: Int
    private let limit: Int
    /// All but this node.
    private var others: [[UInt8]: [PeerID: Entry]] = [:]
    private var keysOf: [PeerID: Int] = [:]
    /// Pairs of a key and a peer that is not this node.
    private var otherCount = 0
    /// What this node has.
    private var own: [[UInt8]: Entry] = [:]

    package init(
        ownPeer: PeerID?, perKey: Int = KademliaLimits.providersPerKey, perPeer: Int = KademliaLimits.keysPerProvider,
        limit: Int = KademliaLimits.providers
    ) {
        self.ownPeer = ownPeer
        self.perKey = max(1, perKey)
        self.perPeer = max(1, perPeer)
        self.limit = max(1, limit)
    }

    /// Pairs of a key and a peer.
    package var count: Int { self.otherCount + self.own.count }

    /// How many keys somebody has.
    package var keyCount: Int {
        let (isFewer, most) = (self.own.count < self.others.count, self.own.count + self.others.count)
        return most - (isFewer ? self.own.keys.count { self.others[$0] != nil } : self.others.keys.count { self.own[$0] != nil })
    }

    /// Who has it, whose time is not over.
    package func providers(of key: [UInt8], at now: NIODeadline) -> [KademliaContact] {
        var found = (self.others[key] ?? [:]).filter { $0.value.expiresAt > now }
            .map { KademliaContact($0.key, at: $0.value.addresses.addresses) }
        if let ownPeer = self.ownPeer, let entry = self.own[key], entry.expiresAt > now {
            found.append(KademliaContact(ownPeer, at: entry.addresses.addresses))
        }
        return found
    }

    /// Keeps that a peer has something.
    ///
    /// - Returns: false when there is no room.
    @discardableResult
    package mutating func add(
        _ peer: PeerID, at addresses: [Multiaddr], for key: [UInt8], lifetime: Duration = Self.lifetime, now: NIODeadline
    ) -> Bool {
        let entry = Entry(addresses: PackedAddresses(addresses.prefix(KademliaLimits.addressesSent)), expiresAt: now.advanced(by: lifetime))
        if peer == self.ownPeer {
            self.own[key] = entry
            return true
        }
        if self.others[key]?[peer] != nil {
            self.others[key]?[peer] = entry
            return true
        }
        // A peer that has too much is not heard, rather than that it drives out what it said before.
        guard self.keysOf[peer, default: 0] < self.perPeer else { return false }
        if let others = self.others[key], others.count >= self.perKey { self.makeRoom(among: others, of: key) }
        if self.otherCount >= self.limit { self.makeRoom() }
        guard self.otherCount < self.limit else { return false }
        self.others[key, default: [:]][peer] = entry
        self.keysOf[peer, default: 0] += 1
        self.otherCount += 1
        return true
    }

    package mutating func remove(_ peer: PeerID, of key: [UInt8]) {
        if peer == self.ownPeer {
            self.own[key] = nil
            return
        }
        guard self.others[key]?.removeValue(forKey: peer) != nil else { return }
        if self.others[key]?.isEmpty == true { self.others[key] = nil }
        let left = self.keysOf[peer, default: 1] - 1
        self.keysOf[peer] = left > 0 ? left : nil
        self.otherCount -= 1
    }

    /// Forgets what is over.
    package mutating func expire(at now: NIODeadline) {
        self.own = self.own.filter { $0.value.expiresAt > now }
        for (key, entries) in self.others {
            for (peer, entry) in entries where entry.expiresAt <= now { self.remove(peer, of: key) }
        }
    }

    private mutating func makeRoom(among others: [PeerID: Entry], of key: [UInt8]) {
        guard let soonest = others.min(by: { $0.value.expiresAt < $1.value.expiresAt })?.key else { return }
        self.remove(soonest, of: key)
    }

    /// Of some keys, the one with the most providers loses one: whoever floods one key drives out itself, and whoever floods many meets its own bound.
    private mutating func makeRoom() {
        let some = self.others.lazy.prefix(Self.sample)
        guard let fullest = some.max(by: { $0.value.count < $1.value.count }) else { return }
        self.makeRoom(among: fullest.value, of: fullest.key)
    }
}
