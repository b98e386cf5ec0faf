package import NIOCore
package import P2PCore
package import P2PIdentity

/// Who has registered where, at a rendezvous point.
///
/// A value: time is an argument. Bounded for each peer and over all; nothing is kept for whoever discovers: a cookie says by itself how far they are.
package struct RegistrationStore: Sendable {
    private struct Place: Hashable {
        let namespace: String
        let peer: PeerID
    }

    private struct Entry {
        let number: UInt64
        let record: [UInt8]
        let expiresAt: NIODeadline
    }

    /// How often what is over is looked for, at most.
    private static let expiryInterval = Duration.seconds(60)

    private let perPeer: Int
    private let limit: Int
    private var entries: [Place: Entry] = [:]
    private var namespacesOf: [PeerID: Set<String>] = [:]
    private var order = RegistrationOrder()
    private var orderOf: [String: RegistrationOrder] = [:]
    /// Before that nobody looks for what is over.
    private var nextExpiry: NIODeadline?
    private var lastNumber: UInt64 = 0

    package init(
        perPeer: Int = RendezvousLimits.registrationsPerPeer, limit: Int = RendezvousLimits.registrations
    ) {
        self.perPeer = max(1, perPeer)
        self.limit = max(1, limit)
    }

    /// How many registrations there are.
    package var count: Int { self.entries.count }

    /// Answers a message; nil where there is no answer.
    ///
    /// - Throws: ``StreamError/Code/malformed`` for a message that only a rendezvous point sends.
    package mutating func answer(_ message: RendezvousMessage, from peer: PeerID, at now: NIODeadline) throws(StreamError)
        -> RendezvousMessage?
    {
        switch message {
        case .register(let registration): return self.register(registration, by: peer, at: now)
        case .unregister(let namespace):
            self.remove(Place(namespace: namespace, peer: peer))
            return nil
        case .discover(let namespace, let limit, let cookie):
            return self.discover(namespace, upTo: limit, after: cookie, at: now)
        case .registered, .discovered: throw StreamError(.malformed, "an answer where there was no question")
        }
    }

    // MARK: Registering

    private mutating func register(_ registration: WireRegistration, by peer: PeerID, at now: NIODeadline) -> RendezvousMessage {
        func refused(_ status: RendezvousStatus, _ text: String) -> RendezvousMessage { .registered(status, text: text, timeToLive: 0) }
        guard Self.isNamespace(registration.namespace) else {
            return refused(.invalidNamespace, "a namespace has 1 to \(RendezvousLimits.namespaceLength) bytes")
        }
        let seconds = registration.timeToLive ?? UInt64(RendezvousLimits.defaultTimeToLive.components.seconds)
        let shortest = RendezvousLimits.shortestTimeToLive.components.seconds
        let longest = RendezvousLimits.longestTimeToLive.components.seconds
        guard (UInt64(shortest)...UInt64(longest)).contains(seconds) else {
            return refused(.invalidTimeToLive, "a registration holds for \(shortest) to \(longest) s")
        }
        guard registration.record.count <= RendezvousLimits.recordSize,
            (try? PeerRecord.open(registration.record, from: peer)) != nil
        else { return refused(.invalidSignedPeerRecord, "the record is not one of the peer that registers") }
        let place = Place(namespace: registration.namespace, peer: peer)
        if self.entries[place] == nil {
            if self.namespacesOf[peer]?.count ?? 0 >= self.perPeer || self.entries.count >= self.limit { self.expire(at: now) }
            guard self.namespacesOf[peer]?.count ?? 0 < self.perPeer else {
                return refused(.notAuthorized, "a peer may register \(self.perPeer) times (registrationsPerPeer)")
            }
            guard self.entries.count < self.limit else { return refused(.unavailable, "there is no room (registrations)") }
        }
        self.remove(place)
        self.lastNumber += 1
        let item = RegistrationOrder.Item(number: self.lastNumber, namespace: place.namespace, peer: peer)
        self.order.append(item)
        self.orderOf[place.namespace, default: RegistrationOrder()].append(item)
        self.entries[place] = Entry(
            number: self.lastNumber, record: registration.record, expiresAt: now.advanced(by: .seconds(Int64(seconds))))
        self.namespacesOf[peer, default: []].insert(registration.namespace)
        return .registered(.ok, text: "", timeToLive: seconds)
    }

    private mutating func remove(_ place: Place) {
        guard self.entries.removeValue(forKey: place) != nil else { return }
        self.namespacesOf[place.peer]?.remove(place.namespace)
        if self.namespacesOf[place.peer]?.isEmpty == true { self.namespacesOf[place.peer] = nil }
        let entries = self.entries
        func isThere(_ item: RegistrationOrder.Item) -> Bool {
            entries[Place(namespace: item.namespace, peer: item.peer)]?.number == item.number
        }
        self.order.remove(isThere: isThere)
        self.orderOf[place.namespace]?.remove(isThere: isThere)
        if self.orderOf[place.namespace]?.isEmpty == true { self.orderOf[place.namespace] = nil }
    }

    /// Forgets what is over.
    package mutating func expire(at now: NIODeadline) {
        self.nextExpiry = now.advanced(by: Self.expiryInterval)
        for (place, entry) in self.entries where entry.expiresAt <= now { self.remove(place) }
    }

    static func isNamespace(_ name: String) -> Bool { (1...RendezvousLimits.namespaceLength).contains(name.utf8.count) }

    // MARK: Discovering

    private mutating func discover(_ namespace: String?, upTo limit: UInt64?, after cookie: [UInt8], at now: NIODeadline)
        -> RendezvousMessage
    {
        func refused(_ status: RendezvousStatus, _ text: String) -> RendezvousMessage { .discovered([], cookie: [], status, text: text) }
        // An empty one asks for all, as none does.
        let namespace = namespace == "" ? nil : namespace
        if let namespace, !Self.isNamespace(namespace) {
            return refused(.invalidNamespace, "a namespace has 1 to \(RendezvousLimits.namespaceLength) bytes")
        }
        var seen: UInt64 = 0
        if !cookie.isEmpty {
            guard let number = Self.number(in: cookie, of: namespace), number <= self.lastNumber else {
                return refused(.invalidCookie, "the cookie is not one of this namespace")
            }
            seen = number
        }
        let most = min(limit.map { Int(clamping: $0) } ?? .max, RendezvousLimits.registrationsPerAnswer)
        if self.nextExpiry.map({ $0 <= now }) ?? true { self.expire(at: now) }
        let new = namespace.map { self.orderOf[$0]?.after(seen) ?? [] } ?? self.order.after(seen)
        var registrations: [WireRegistration] = []
        var size = 0
        // What fits no more comes with the next request: the cookie says so.
        var (reached, lastTold) = (self.lastNumber, seen)
        for item in new {
            guard let entry = self.entries[Place(namespace: item.namespace, peer: item.peer)], entry.number == item.number,
                entry.expiresAt > now
            else { continue }
            size += entry.record.count + item.namespace.utf8.count + 32
            guard registrations.count < most, size <= RendezvousLimits.messageSize - 1_024 else {
                reached = lastTold
                break
            }
            let seconds = max(0, (entry.expiresAt - now).nanoseconds / 1_000_000_000)
            registrations.append(WireRegistration(namespace: item.namespace, record: entry.record, timeToLive: UInt64(seconds)))
            lastTold = item.number
        }
        return .discovered(registrations, cookie: Self.cookie(reached, of: namespace), .ok, text: "")
    }

    /// Eight bytes and the namespace: the only form that rust's client takes.
    static func cookie(_ number: UInt64, of namespace: String?) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) } + Array((namespace ?? "").utf8)
    }

    static func number(in cookie: [UInt8], of namespace: String?) -> UInt64? {
        guard cookie.count >= 8, cookie.count <= RendezvousLimits.cookieLength, Array(cookie[8...]) == Array((namespace ?? "").utf8) else {
            return nil
        }
        return cookie[..<8].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
