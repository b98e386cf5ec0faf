import P2PCore
import P2PIdentity

/// Which connections there are and which dials are under way, as a value.
struct ConnectionTable {
    enum Phase {
        case idle
        case running
        case draining
        case stopped
    }

    private(set) var connections: [ConnectionID: ConnectionEntry] = [:]
    /// Those that new streams may use, the preferred one first: those that no relay limits, in the order of their age.
    private var usable: [PeerID: [ConnectionEntry]] = [:]
    /// How many of a peer's connections live that take no new streams.
    private var leaving: [PeerID: Int] = [:]
    private var dials: [DialOperation] = []
    /// Those that others may join.
    private var sharedDials: [PeerID: [DialOperation]] = [:]
    var phase = Phase.idle

    /// Whether addresses may be bound.
    var takesListeners: Bool { self.phase == .idle || self.phase == .running }

    var dialCount: Int { self.dials.count }
    /// The most that ``dialCount`` has been.
    private(set) var mostDials = 0
    /// Dials that were too many.
    var refusedDials = 0

    /// A connection, and how it stands among those with its peer.
    struct Place {
        let entry: ConnectionEntry
        /// Whether new streams go over another one.
        let isSpare: Bool
        /// Whether it takes no new streams.
        let isLeaving: Bool
    }

    /// How every connection stands, in the order of their age.
    var places: [Place] { self.oldestFirst.map(self.place) }

    /// How the connection stands; nil when it is gone.
    func place(of id: ConnectionID) -> Place? { self.connections[id].map(self.place) }

    private func place(_ entry: ConnectionEntry) -> Place {
        guard let usable = self.usable[entry.info.remotePeer] else { return Place(entry: entry, isSpare: false, isLeaving: true) }
        return Place(entry: entry, isSpare: usable.first !== entry, isLeaving: !usable.contains { $0 === entry })
    }

    /// Every connection, in the order of their age.
    var oldestFirst: [ConnectionEntry] { self.connections.values.sorted { $0.info.id.number < $1.info.id.number } }

    /// The connection that a new stream to the peer uses.
    func connection(to peer: PeerID) -> ConnectionEntry? { self.usable[peer]?.first }

    /// The connections that new streams to the peer may use, the preferred one first.
    func connections(to peer: PeerID) -> [ConnectionEntry] { self.usable[peer] ?? [] }

    /// Whether a connection to the peer lives.
    func isConnected(to peer: PeerID) -> Bool { self.usable[peer] != nil || self.leaving[peer] != nil }

    mutating func insert(_ entry: ConnectionEntry) {
        self.connections[entry.info.id] = entry
        let peer = entry.info.remotePeer
        var index: Int?
        // Those that a relay limits stand at the end.
        if !entry.info.isLimited, self.usable[peer]?.last?.info.isLimited == true {
            index = self.usable[peer]?.firstIndex { $0.info.isLimited }
        }
        self.usable[peer, default: []].insert(entry, at: index ?? self.usable[peer]?.count ?? 0)
    }

    /// New streams leave it alone from now on; false when they did already.
    @discardableResult
    mutating func retire(_ entry: ConnectionEntry) -> Bool {
        guard self.withdraw(entry) else { return false }
        self.leaving[entry.info.remotePeer, default: 0] += 1
        return true
    }

    private mutating func withdraw(_ entry: ConnectionEntry) -> Bool {
        let peer = entry.info.remotePeer
        guard let index = self.usable[peer]?.firstIndex(where: { $0 === entry }) else { return false }
        self.usable[peer]?.remove(at: index)
        if self.usable[peer]?.isEmpty == true { self.usable[peer] = nil }
        return true
    }

    mutating func remove(_ entry: ConnectionEntry) {
        guard self.connections.removeValue(forKey: entry.info.id) != nil else { return }
        guard !self.withdraw(entry) else { return }
        let peer = entry.info.remotePeer
        self.leaving[peer] = self.leaving[peer].flatMap { $0 > 1 ? $0 - 1 : nil }
    }

    /// The last dial of this kind that others may join.
    func dial(to peer: PeerID, on terms: DialTerms = DialTerms()) -> DialOperation? {
        self.sharedDials[peer]?.last { $0.terms == terms }
    }

    mutating func insert(_ dial: DialOperation, isShared: Bool) {
        self.dials.append(dial)
        self.mostDials = max(self.mostDials, self.dials.count)
        if isShared, let peer = dial.peer { self.sharedDials[peer, default: []].append(dial) }
    }

    mutating func remove(_ dial: DialOperation) {
        self.dials.removeAll { $0 === dial }
        guard let peer = dial.peer else { return }
        self.sharedDials[peer]?.removeAll { $0 === dial }
        if self.sharedDials[peer]?.isEmpty == true { self.sharedDials[peer] = nil }
    }

    /// The oldest first.
    var allDials: [DialOperation] { self.dials }
}
