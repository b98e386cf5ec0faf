import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// Peers that were announced on each interface, as a value.
struct MDNSCache: Sendable {
    /// Peers over all interfaces; further ones are not taken until some have gone.
    static let limit = 1_024
    /// What one of them takes up with its addresses, roughly, in bytes.
    static let entrySize = 2_048
    /// Peers that one address may announce, so that one machine can't fill the cache with inventions.
    static let limitPerSource = 256
    /// Addresses of one peer that are looked at.
    static let addressLimit = 32
    /// The times that an announcement may hold, in seconds.
    static let timeToLive: ClosedRange<UInt32> = 10...4_500

    struct Key: Hashable {
        let interface: Int
        let instance: DNSName
    }

    struct Entry {
        let peer: PeerID
        var addresses: [Multiaddr]
        let source: IPAddress
        var original: TimeAmount
        var expiresAt: NIODeadline
        var reportedAt: NIODeadline
    }

    private var entries: [Key: Entry] = [:]
    private var perSource: [IPAddress: Int] = [:]
    /// New peers in a burst, and a second after that.
    private var newcomers: TokenBucket

    init(at now: NIODeadline) {
        self.newcomers = TokenBucket(capacity: 256, interval: .milliseconds(50), at: now)
    }

    var count: Int { self.entries.count }

    /// Whether a machine at that address, or an instance, has been heard of.
    func knows(_ source: IPAddress) -> Bool { self.perSource[source] != nil }
    func knows(_ key: Key) -> Bool { self.entries[key] != nil }

    /// Takes what an instance says about itself.
    ///
    /// - Returns: the peer, when it is new, says something new, or half of the time has passed for which it was vouched.
    mutating func insert(
        _ strings: [[UInt8]], as key: Key, timeToLive: UInt32, from source: IPAddress, on link: MDNSLink, judge: AddressJudge,
        at now: NIODeadline
    ) -> DiscoveredPeer? {
        let meeting = Meeting(from: source, on: link.name, isLoopback: link.isLoopback)
        guard let (peer, addresses) = Self.read(strings, toldAt: meeting, judge: judge) else { return nil }
        let seconds = min(max(timeToLive, Self.timeToLive.lowerBound), Self.timeToLive.upperBound)
        let span = TimeAmount.seconds(Int64(seconds))
        let found = DiscoveredPeer(peer: peer, addresses: addresses, timeToLive: .seconds(Int64(seconds)))
        if var entry = self.entries[key], entry.peer == peer {
            let isWorthTelling = entry.addresses != addresses || (now - entry.reportedAt) * 2 >= span
            entry.addresses = addresses
            entry.original = span
            entry.expiresAt = now + span
            if isWorthTelling { entry.reportedAt = now }
            self.entries[key] = entry
            return isWorthTelling ? found : nil
        }
        self.remove(key)
        if self.entries.count >= Self.limit { self.removeExpired(at: now) }
        guard self.entries.count < Self.limit, self.perSource[source, default: 0] < Self.limitPerSource, self.newcomers.take(at: now)
        else { return nil }
        self.entries[key] = Entry(
            peer: peer, addresses: addresses, source: source, original: span, expiresAt: now + span, reportedAt: now)
        self.perSource[source, default: 0] += 1
        return found
    }

    mutating func remove(_ key: Key) {
        guard let entry = self.entries.removeValue(forKey: key) else { return }
        let left = self.perSource[entry.source, default: 1] - 1
        self.perSource[entry.source] = left > 0 ? left : nil
    }

    /// The interface is gone, and what was announced there.
    mutating func removeAll(on interface: Int) {
        for key in self.entries.keys where key.interface == interface { self.remove(key) }
    }

    mutating func removeExpired(at now: NIODeadline) {
        for (key, entry) in self.entries where entry.expiresAt <= now { self.remove(key) }
    }

    /// Instances that need not answer a query, with the seconds that they are known for (RFC 6762, section 7.1).
    func known(on interface: Int, at now: NIODeadline) -> [(instance: DNSName, seconds: UInt32)] {
        self.entries.compactMap { key, entry in
            let left = entry.expiresAt - now
            guard key.interface == interface, left * 2 > entry.original else { return nil }
            return (key.instance, UInt32(clamping: left.nanoseconds / 1_000_000_000))
        }
    }

    /// Reads `dnsaddr=` strings: one peer and the addresses at which this machine may try it.
    private static func read(_ strings: [[UInt8]], toldAt meeting: Meeting, judge: AddressJudge) -> (PeerID, [Multiaddr])? {
        let prefix = Array("dnsaddr=".utf8)
        var peer: PeerID?
        var addresses: [Multiaddr] = []
        for string in strings.prefix(Self.addressLimit) where string.starts(with: prefix) {
            guard let address = try? Multiaddr(String(decoding: string.dropFirst(prefix.count), as: UTF8.self)),
                let named = address.peerID, !address.isRelayed
            else { continue }
            // An announcement speaks for one peer; strings about another are none of its business.
            guard peer == nil || peer == named else { continue }
            let bare = address.withoutPeerID
            // A list of addresses would have strangers choose what is asked of name servers.
            guard !bare.isEmpty, !bare.isAddressList, let usable = judge.believed(bare, toldAt: meeting), !addresses.contains(usable)
            else { continue }
            peer = named
            addresses.append(usable)
        }
        return peer.map { ($0, addresses) }
    }
}
