public import P2PIdentity
import P2PMultiaddr

/// What has become known of one peer, to be stored as one; see ``Peerstore/apply(_:)``.
public struct PeerChange: Sendable, Hashable {
    /// Addresses that came from one place.
    public struct Addition: Sendable, Hashable {
        /// Where the peer is.
        public var known: KnownAddress
        /// How long the address is worth keeping.
        public var timeToLive: Duration

        /// An address to keep for so long.
        public init(_ known: KnownAddress, timeToLive: Duration) {
            self.known = known
            self.timeToLive = timeToLive
        }
    }

    /// Addresses that wait with one peer; those that came first make room.
    public static let additionLimit = 128

    /// Whom it is about.
    public let peer: PeerID
    /// A connection to the peer has begun, or ended.
    public var isSeen = false
    /// What the peer said of itself; nil when it has not. Of its addresses there are those that are believed.
    public var introduction: Introduction?
    /// Where the peer introduced itself: told there, and told no more there, an address is forgotten. Nil is everywhere.
    public var origin: AddressOrigin?
    /// Addresses, those of the introduction among them.
    public private(set) var additions: [Addition] = []
    /// For how much longer the addresses that the peer last told of itself are worth keeping.
    public var renewal: Duration?

    /// Nothing yet.
    public init(of peer: PeerID) {
        self.peer = peer
    }

    /// Adds an address, or takes in what more is known of it; a shorter time to live never shortens a longer one.
    public mutating func add(_ known: KnownAddress, timeToLive: Duration) {
        let address = known.address.withoutPeerID
        var (source, origin, timeToLive) = (known.source, known.origin, timeToLive)
        if let at = self.additions.firstIndex(where: { $0.known.address == address }) {
            let old = self.additions.remove(at: at)
            if old.known.source.reliability < source.reliability { source = old.known.source }
            origin = origin ?? old.known.origin
            timeToLive = max(timeToLive, old.timeToLive)
        }
        if self.additions.count >= Self.additionLimit { self.additions.removeFirst() }
        self.additions.append(Addition(KnownAddress(address, source: source, origin: origin), timeToLive: timeToLive))
    }

    /// Takes in what has become known of the same peer since, so that it is stored at once and only once.
    public mutating func merge(_ later: PeerChange) {
        self.isSeen = self.isSeen || later.isSeen
        if let introduction = later.introduction {
            // Said there before, and no more.
            let told = Set(introduction.listenAddresses.map(\.withoutPeerID))
            self.additions.removeAll { addition in
                addition.known.source.isTold && !told.contains(addition.known.address)
                    && (later.origin == nil || addition.known.origin == later.origin || addition.known.origin == .internet)
            }
            self.introduction = introduction
            self.origin = later.origin
        }
        for addition in later.additions { self.add(addition.known, timeToLive: addition.timeToLive) }
        if let renewal = later.renewal { self.renewal = max(renewal, self.renewal ?? .zero) }
    }
}

extension AddressSource {
    /// Whether only the peer itself vouches for it.
    package var isTold: Bool { self == .identify || self == .certified }
}
