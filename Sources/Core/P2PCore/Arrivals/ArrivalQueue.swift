import NIOCore

/// Arrivals in the order in which they make room for others: a value.
///
/// They stand in as many lines as there are things to show, and in as many more for those who have shown that for too long. Those go first.
struct ArrivalQueue: Sendable {
    /// What an arrival has shown, and whether that was too long ago.
    struct Grade: Hashable, Sendable {
        let stage: ArrivalProgress.Stage
        let isOverdue: Bool

        fileprivate var line: Int { Int(self.stage.rawValue) + (self.isOverdue ? 0 : Self.stages) }
        fileprivate static let stages = ArrivalProgress.Stage.allCases.count
    }

    /// Of two networks the one that holds more places comes first; of two that hold as many, the one with the older arrival.
    private struct Crowd: Comparable, Sendable {
        let count: Int
        let oldest: NIODeadline

        static func < (left: Self, right: Self) -> Bool {
            left.count != right.count ? left.count > right.count : left.oldest < right.oldest
        }
    }

    /// Arrivals of one grade.
    private struct Line: Sendable {
        var count = 0
        var members: [NetworkKey: RankedQueue<UInt64, NIODeadline>] = [:]
        var networks = RankedQueue<NetworkKey, Crowd>()

        mutating func change(_ network: NetworkKey, by step: Int, _ change: (inout RankedQueue<UInt64, NIODeadline>) -> Void) {
            self.count += step
            change(&self.members[network, default: RankedQueue()])
            guard let queue = self.members[network], let oldest = queue.first else {
                self.members[network] = nil
                return self.networks.remove(network)
            }
            self.networks.set(network, to: Crowd(count: queue.count, oldest: oldest.rank))
        }

        /// The oldest of the network that holds most.
        var first: UInt64? { self.networks.first.flatMap { self.members[$0.key]?.first?.key } }
    }

    /// A grade that holds no more than this part of all places is left alone while another holds more, so that whoever is quick passes
    /// through it, whatever the others do.
    private static let share = 8

    private var lines = [Line](repeating: Line(), count: 2 * Grade.stages)
    private(set) var count = 0

    /// Adds an arrival that has shown what it has since that time.
    mutating func add(_ id: UInt64, of network: NetworkKey, _ grade: Grade, since: NIODeadline) {
        self.count += 1
        self.lines[grade.line].change(network, by: 1) { $0.set(id, to: since) }
    }

    mutating func remove(_ id: UInt64, of network: NetworkKey, _ grade: Grade) {
        self.count -= 1
        self.lines[grade.line].change(network, by: -1) { $0.remove(id) }
    }

    /// Whose turn it is to make room.
    ///
    /// First those whose time is over, who have shown least before the others. Then the grade that has shown least among those that hold more
    /// than their share of the places. Of a grade, the network that holds most; of a network, the oldest.
    ///
    /// - Parameter limit: how many places there are.
    func next(of limit: Int) -> UInt64? {
        if let line = self.lines[..<Grade.stages].first(where: { $0.count > 0 }) { return line.first }
        let fresh = self.lines[Grade.stages...]
        if let line = fresh.first(where: { $0.count > limit / Self.share }) { return line.first }
        return fresh.max { $0.count < $1.count }?.first
    }

    /// How many places of a grade the network holds.
    func count(of network: NetworkKey, _ grade: Grade) -> Int { self.lines[grade.line].members[network]?.count ?? 0 }
}
