package import NIOCore
package import P2PMultiaddr

/// Who waits at the door, and who of them makes room for the next: a value without I/O and clock.
///
/// Nobody's progress is told to it. It looks at the progress of those whose turn it seems to be, and puts those elsewhere who have moved
/// on, so that each arrival costs it a few steps in all, however many there are.
package struct ArrivalTable: Sendable {
    /// How many places there are.
    package struct Limits: Sendable, Hashable {
        /// For all but those that are known.
        package var total: Int
        /// For one address (``AddressKey``).
        package var perAddress: Int
        /// Beside those, for the known networks.
        package var known: Int
        /// What errors call the limit; the one per address is named after it.
        package var name: String

        package init(_ name: String, total: Int, perAddress: Int, known: Int = 0) {
            self.name = name
            self.total = total
            self.perAddress = perAddress
            self.known = known
        }
    }

    /// What comes of an arrival.
    package struct Entrance: Sendable {
        /// What ``leave(_:)`` wants.
        package let id: UInt64
        /// Who had to go, and because of which limit.
        package var displaced: (id: UInt64, limit: LimitError)?
    }

    /// How long an arrival may show no more than it has before it is among the first to go.
    static func patience(_ stage: ArrivalProgress.Stage) -> TimeAmount { stage == .handshaking ? .seconds(5) : .seconds(2) }
    /// Handshakes cost cryptography. A network that holds most of the places anyway makes this many of its own go in a while.
    static let handshakesDisplaced = 128
    /// That while.
    static let displacingPeriod = TimeAmount.milliseconds(250)

    private typealias Grade = ArrivalQueue.Grade

    private struct Entry: Sendable {
        let address: AddressKey?
        let network: NetworkKey
        let progress: ArrivalProgress?
        let arrived: NIODeadline
        var grade: Grade
        var since: NIODeadline
    }

    private let limits: Limits
    private let known: [IPNetwork]
    private var lastID: UInt64 = 0
    private var entries: [UInt64: Entry] = [:]
    private var queue = ArrivalQueue()
    private var addresses: [AddressKey: ArrivalQueue] = [:]
    /// Those whose time is not over, by when it will be.
    private var fresh = RankedQueue<UInt64, NIODeadline>()
    /// Those in the places for known networks.
    private var guests: Set<UInt64> = []
    private var displacing: OffenceCounter

    /// - Parameter known: networks whose arrivals have places of their own, and make room for nobody.
    package init(_ limits: Limits, known: [IPNetwork] = [], now: NIODeadline = .uptimeNanoseconds(0)) {
        self.limits = limits
        self.known = known
        self.displacing = OffenceCounter(maximum: Self.handshakesDisplaced, period: Self.displacingPeriod, now: now)
    }

    /// All who wait.
    package var count: Int { self.entries.count + self.guests.count }
    /// Addresses that something is counted for.
    package var addressCount: Int { self.addresses.count }

    /// An arrival wants a place. Where there is none, another one makes room.
    ///
    /// - Parameter progress: what it shows from now on; nil for one that shows nothing before it is done.
    /// - Throws: the limit, when nobody may be made to go for it.
    package mutating func enter(
        from address: Multiaddr, _ progress: ArrivalProgress?, at now: NIODeadline
    ) throws(LimitError) -> Entrance {
        self.lastID += 1
        if self.guests.count < self.limits.known, self.known.contain(address) {
            self.guests.insert(self.lastID)
            return Entrance(id: self.lastID)
        }
        let (key, network) = (AddressKey(address), NetworkKey(address))
        var entrance = Entrance(id: self.lastID)
        if let key, let waiting = self.addresses[key]?.count, waiting >= self.limits.perAddress {
            entrance.displaced = try self.displace(
                for: network, because: LimitError(limit: "\(self.limits.name)PerAddress", value: self.limits.perAddress), at: now
            ) { $0.addresses[key]?.next(of: $0.limits.perAddress) }
        } else if self.entries.count >= self.limits.total {
            entrance.displaced = try self.displace(
                for: network, because: LimitError(limit: self.limits.name, value: self.limits.total), at: now
            ) { $0.queue.next(of: $0.limits.total) }
        }
        let (stage, since) = Self.shown(by: progress, arrived: now)
        let entry = Entry(
            address: key, network: network, progress: progress, arrived: now, grade: Grade(stage: stage, isOverdue: false), since: since)
        self.file(entrance.id, entry)
        return entrance
    }

    /// The arrival has come to something, or to nothing. One that was displaced has left already.
    package mutating func leave(_ id: UInt64) {
        guard self.guests.remove(id) == nil else { return }
        self.unfile(id)
    }

    /// Finds out whose turn it is, and makes that one go.
    private mutating func displace(
        for network: NetworkKey, because limit: LimitError, at now: NIODeadline, _ next: (Self) -> UInt64?
    ) throws(LimitError) -> (id: UInt64, limit: LimitError) {
        while let oldest = self.fresh.first, oldest.rank <= now { self.look(at: oldest.key, now) }
        while let id = next(self), let entry = self.entries[id] {
            guard !self.look(at: id, now) else { continue }
            // Whoever makes its own handshakes go is one who shakes hands without end.
            let isOwn = self.queue.count(of: network, entry.grade) >= self.queue.count(of: entry.network, entry.grade)
            if !entry.grade.isOverdue, entry.grade.stage >= .negotiated, isOwn, !self.displacing.tolerates(at: now) { throw limit }
            self.unfile(id)
            return (id, limit)
        }
        throw limit
    }

    /// Whether the arrival stands elsewhere now, because it has shown more, or because its time is over.
    @discardableResult
    private mutating func look(at id: UInt64, _ now: NIODeadline) -> Bool {
        guard var entry = self.entries[id] else { return false }
        let (stage, since) = Self.shown(by: entry.progress, arrived: entry.arrived)
        let grade = Grade(stage: stage, isOverdue: now - since >= Self.patience(stage))
        guard grade != entry.grade else {
            // Nothing is due before its time.
            if !grade.isOverdue { self.fresh.set(id, to: since + Self.patience(stage)) }
            return false
        }
        self.unfile(id)
        (entry.grade, entry.since) = (grade, since)
        self.file(id, entry)
        return true
    }

    private static func shown(
        by progress: ArrivalProgress?, arrived: NIODeadline
    ) -> (stage: ArrivalProgress.Stage, since: NIODeadline) {
        guard let progress else { return (.silent, arrived) }
        let (stage, since) = progress.current
        return (stage, max(since, arrived))
    }

    private mutating func file(_ id: UInt64, _ entry: Entry) {
        self.entries[id] = entry
        self.queue.add(id, of: entry.network, entry.grade, since: entry.since)
        if let address = entry.address {
            self.addresses[address, default: ArrivalQueue()].add(id, of: entry.network, entry.grade, since: entry.since)
        }
        if !entry.grade.isOverdue { self.fresh.set(id, to: entry.since + Self.patience(entry.grade.stage)) }
    }

    private mutating func unfile(_ id: UInt64) {
        guard let entry = self.entries.removeValue(forKey: id) else { return }
        self.fresh.remove(id)
        self.queue.remove(id, of: entry.network, entry.grade)
        guard let address = entry.address else { return }
        self.addresses[address]?.remove(id, of: entry.network, entry.grade)
        if self.addresses[address]?.count == 0 { self.addresses[address] = nil }
    }
}
