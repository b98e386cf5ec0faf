import NIOCore
import P2PCore

/// Who was accepted and waits to be taken up, while more arrive than can be: a value without I/O and clock.
///
/// To take up an arrival costs a channel, a task and a place at the host's door; to keep one waiting costs its descriptor. Whoever has said
/// as much as every dialer says at once goes first, and the networks take turns, so that a flood of those who say nothing is in nobody's way.
struct Doorstep: Sendable {
    struct Limits: Sendable {
        /// Arrivals that wait. The next makes one of them go.
        var waiting = 1_024
        /// Arrivals that were taken up and are not begun with: more would only wait for each other.
        var underWay = 32
        /// Arrivals that are taken up although they have said nothing, in each ``period``, while there are many such inside.
        var quietTaken = 64
        var period = TimeAmount.milliseconds(250)
        /// How long one who says nothing waits for that.
        var patience = TimeAmount.seconds(1)
    }

    /// Those who wait in one of two lines: the quiet, and those who have spoken.
    private struct Line: Sendable {
        /// Of two networks the one of which more wait comes first; of two with as many, the one with the older arrival.
        struct Crowd: Comparable, Sendable {
            let count: Int
            let oldest: UInt64

            static func < (left: Self, right: Self) -> Bool {
                left.count != right.count ? left.count > right.count : left.oldest < right.oldest
            }
        }

        private(set) var count = 0
        private var members: [NetworkKey: RankedQueue<Int, UInt64>] = [:]
        private var crowds = RankedQueue<NetworkKey, Crowd>()
        /// The networks in the order of their turns.
        private var turns = RankedQueue<NetworkKey, UInt64>()

        mutating func add(_ slot: Int, of network: NetworkKey, order: UInt64) {
            self.count += 1
            let isNew = self.members[network] == nil
            self.members[network, default: RankedQueue()].set(slot, to: order)
            if isNew { self.turns.set(network, to: order) }
            self.rank(network)
        }

        mutating func remove(_ slot: Int, of network: NetworkKey) {
            self.count -= 1
            self.members[network]?.remove(slot)
            self.rank(network)
        }

        private mutating func rank(_ network: NetworkKey) {
            guard let members = self.members[network], let oldest = members.first else {
                self.members[network] = nil
                self.crowds.remove(network)
                return self.turns.remove(network)
            }
            self.crowds.set(network, to: Crowd(count: members.count, oldest: oldest.rank))
        }

        /// The oldest of the network of which most wait.
        var mostCrowded: Int? { self.crowds.first.flatMap { self.members[$0.key]?.first?.key } }

        /// The oldest of the network whose turn it is, which comes last from now on.
        mutating func next(order: UInt64) -> Int? {
            guard let network = self.turns.first?.key else { return nil }
            self.turns.set(network, to: order)
            return self.members[network]?.first?.key
        }
    }

    private struct Entry: Sendable {
        let network: NetworkKey
        let since: NIODeadline
        var hasSpoken = false
    }

    private let limits: Limits
    private var entries: [Int: Entry] = [:]
    /// Numbers that were given back, and the least that was never given out since nobody waited.
    private var free: [Int] = []
    private var fresh = 0
    private var quiet = Line()
    private var spoken = Line()
    private var lastOrder: UInt64 = 0
    private var underWay = 0
    private var quietTaken: OffenceCounter
    private var nextLook: NIODeadline

    init(_ limits: Limits = Limits(), now: NIODeadline) {
        self.limits = limits
        self.quietTaken = OffenceCounter(maximum: limits.quietTaken, period: limits.period, now: now)
        self.nextLook = now
    }

    var isEmpty: Bool { self.entries.isEmpty }
    var count: Int { self.entries.count }

    private mutating func nextOrder() -> UInt64 {
        self.lastOrder += 1
        return self.lastOrder
    }

    /// Takes up an arrival at once, if nobody is before it and the loops keep up.
    ///
    /// - Parameter isCrowded: whether there are many inside who have said nothing.
    mutating func takeUpAtOnce(isCrowded: Bool) -> Bool {
        guard !isCrowded, self.entries.isEmpty, self.underWay < self.limits.underWay else { return false }
        self.underWay += 1
        return true
    }

    /// An arrival has to wait.
    ///
    /// - Returns: the number of its place, and of the place that was taken from another, which may be the same.
    mutating func enter(from network: NetworkKey, at now: NIODeadline) -> (slot: Int, displaced: Int?) {
        var displaced: Int?
        if self.entries.count >= self.limits.waiting, let loser = self.quiet.mostCrowded ?? self.spoken.mostCrowded {
            self.leave(loser)
            displaced = loser
        }
        let slot = self.free.popLast() ?? self.fresh
        self.fresh = max(self.fresh, slot + 1)
        self.entries[slot] = Entry(network: network, since: now)
        self.quiet.add(slot, of: network, order: self.nextOrder())
        return (slot, displaced)
    }

    /// One who waits has said as much as every dialer says at once.
    mutating func spoke(_ slot: Int) {
        guard let entry = self.entries[slot], !entry.hasSpoken else { return }
        self.entries[slot]?.hasSpoken = true
        self.quiet.remove(slot, of: entry.network)
        self.spoken.add(slot, of: entry.network, order: self.nextOrder())
    }

    /// One who waited does not wait any more.
    mutating func leave(_ slot: Int) {
        guard let entry = self.entries.removeValue(forKey: slot) else { return }
        if entry.hasSpoken { self.spoken.remove(slot, of: entry.network) } else { self.quiet.remove(slot, of: entry.network) }
        self.free.append(slot)
        guard self.entries.isEmpty else { return }
        self.free.removeAll(keepingCapacity: true)
        self.fresh = 0
    }

    /// Who is to be taken up next, if anybody; that one has left.
    ///
    /// - Parameter isCrowded: tells whether there are many inside who have said nothing.
    mutating func takeUp(at now: NIODeadline, isCrowded: () -> Bool) -> Int? {
        guard !self.entries.isEmpty, self.underWay < self.limits.underWay else { return nil }
        let order = self.nextOrder()
        var next = self.spoken.next(order: order)
        if next == nil, !isCrowded() || self.quietTaken.tolerates(at: now) { next = self.quiet.next(order: order) }
        guard let next else { return nil }
        self.leave(next)
        self.underWay += 1
        return next
    }

    /// So many of those who were taken up are begun with.
    mutating func begun(_ count: Int) { self.underWay = max(0, self.underWay - count) }

    /// Those who have said nothing for too long; they have left.
    mutating func leaveOverdue(at now: NIODeadline) -> [Int] {
        guard now >= self.nextLook else { return [] }
        self.nextLook = now + self.limits.period
        let overdue = self.entries.filter { !$0.value.hasSpoken && now - $0.value.since >= self.limits.patience }.map(\.key).sorted()
        for slot in overdue { self.leave(slot) }
        return overdue
    }
}
