import NIOCore
import P2PCore
import P2PIdentity

/// What has been said of peers: tags with their values, and protections. A value: time is an argument.
struct PeerTags: Sendable {
    /// Peers with tags. Whoever tags one more makes the quarter whose tags come to least be forgotten.
    static let peerLimit = 16_384
    /// Tags of one peer; those beyond are not taken up.
    static let tagLimit = 64
    /// A tag's points, either way.
    static let most = 1_000_000

    private struct Tag {
        var points: Int
        /// How long it takes until half of it is left; nil for one that does not fade.
        var halfLife: TimeAmount?
        var since: NIODeadline

        /// What is left. Between two half-lives it falls in a straight line.
        func points(at now: NIODeadline) -> Int {
            guard let halfLife else { return self.points }
            let age = max(0, (now - self.since).nanoseconds)
            let (halvings, rest) = age.quotientAndRemainder(dividingBy: max(1, halfLife.nanoseconds))
            guard halvings < 32 else { return 0 }
            let left = Double(self.points) / Double(1 << halvings) * (1 - 0.5 * Double(rest) / Double(max(1, halfLife.nanoseconds)))
            return Int(left)
        }
    }

    private var tags: [PeerID: [String: Tag]] = [:]
    private var protections: [PeerID: Set<String>] = [:]

    /// Peers with tags.
    var taggedCount: Int { self.tags.count }

    // MARK: Questions

    /// The peer's tags as parts of a value, by name.
    func reasons(for peer: PeerID, at now: NIODeadline) -> [ConnectionValue.Reason] {
        guard let tags = self.tags[peer] else { return [] }
        return tags.map { ConnectionValue.Reason("tag:\($0.key)", $0.value.points(at: now)) }.sorted { $0.name < $1.name }
    }

    /// Who protects the peer, in order.
    func protections(of peer: PeerID) -> [String] { self.protections[peer]?.sorted() ?? [] }

    // MARK: What is said

    mutating func set(_ name: String, of peer: PeerID, to points: Int, at now: NIODeadline) {
        self.put(Tag(points: Self.bounded(points), since: now), name, of: peer, at: now)
    }

    mutating func add(_ points: Int, to name: String, of peer: PeerID, halfLife: Duration, at now: NIODeadline) {
        let left = self.tags[peer]?[name]?.points(at: now) ?? 0
        let points = Self.bounded(left + Self.bounded(points))
        self.put(Tag(points: points, halfLife: max(.nanoseconds(1), TimeAmount(halfLife)), since: now), name, of: peer, at: now)
    }

    mutating func remove(_ name: String, of peer: PeerID) {
        self.tags[peer]?[name] = nil
        if self.tags[peer]?.isEmpty == true { self.tags[peer] = nil }
    }

    mutating func protect(_ peer: PeerID, for name: String) {
        self.protections[peer, default: []].insert(name)
    }

    /// - Returns: whether something else still protects the peer.
    mutating func unprotect(_ peer: PeerID, for name: String) -> Bool {
        self.protections[peer]?.remove(name)
        if self.protections[peer]?.isEmpty == true { self.protections[peer] = nil }
        return self.protections[peer] != nil
    }

    // MARK: Bounds

    private mutating func put(_ tag: Tag, _ name: String, of peer: PeerID, at now: NIODeadline) {
        if self.tags[peer] == nil, self.tags.count >= Self.peerLimit { self.makeRoom(at: now) }
        guard self.tags[peer]?[name] != nil || self.room(for: peer, at: now) else { return }
        self.tags[peer, default: [:]][name] = tag
    }

    /// Whether the peer may have one more tag, once what has faded is forgotten.
    private mutating func room(for peer: PeerID, at now: NIODeadline) -> Bool {
        guard let tags = self.tags[peer], tags.count >= Self.tagLimit else { return true }
        self.tags[peer] = tags.filter { $0.value.points(at: now) != 0 }
        return (self.tags[peer]?.count ?? 0) < Self.tagLimit
    }

    private mutating func makeRoom(at now: NIODeadline) {
        let sums = self.tags.map { (peer: $0.key, sum: $0.value.values.reduce(0) { $0 + $1.points(at: now) }) }
        for (peer, _) in sums.sorted(by: { $0.sum < $1.sum }).prefix(Self.peerLimit / 4) { self.tags[peer] = nil }
    }

    private static func bounded(_ points: Int) -> Int { min(max(points, -Self.most), Self.most) }
}
