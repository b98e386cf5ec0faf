import NIOCore
import P2PCore

/// In which order connections go when there are too many, as a value: facts and time in, a list out.
struct TrimRanking: Sendable {
    /// One that may have to go.
    struct Candidate: Sendable, Equatable {
        let id: ConnectionID
        let value: ConnectionValue
        let opened: NIODeadline
    }

    /// Those that may have to go, the least valuable first; of equals the one that has been idle for longest, then the youngest.
    private(set) var candidates: ArraySlice<Candidate>
    /// How many came from each network.
    private let crowds: [NetworkKey: Int]

    init(_ connections: [ConnectionFacts] = [], at now: NIODeadline = .uptimeNanoseconds(0)) {
        var crowds: [NetworkKey: Int] = [:]
        for connection in connections { if let crowd = connection.crowd { crowds[crowd, default: 0] += 1 } }
        self.crowds = crowds
        let free = connections.compactMap { facts -> (candidate: Candidate, points: Int, movedAt: NIODeadline)? in
            guard facts.hold(at: now) == nil else { return nil }
            let value = facts.value(among: facts.crowd.map { crowds[$0] ?? 0 } ?? 0, at: now)
            return (Candidate(id: facts.id, value: value, opened: facts.opened), value.points, facts.movedAt)
        }
        self.candidates =
            free.sorted { one, other in
                if one.points != other.points { return one.points < other.points }
                if one.movedAt != other.movedAt { return one.movedAt < other.movedAt }
                return one.candidate.id.number > other.candidate.id.number
            }.map(\.candidate)[...]
    }

    /// What one of the connections is worth.
    func value(of facts: ConnectionFacts, at now: NIODeadline) -> ConnectionValue {
        facts.value(among: facts.crowd.map { self.crowds[$0] ?? 0 } ?? 0, at: now)
    }

    /// Takes the next one to go out of the list, for one that comes; nil when there is none, or none that is worth no more than it.
    mutating func takeFirst(for newcomer: ConnectionFacts, at now: NIODeadline) -> Candidate? {
        guard let first = self.candidates.first else { return nil }
        let worth = newcomer.value(among: newcomer.crowd.map { (self.crowds[$0] ?? 0) + 1 } ?? 0, at: now)
        let isPrivileged = newcomer.isAllowed || !newcomer.protections.isEmpty
        guard isPrivileged || first.value.points <= worth.points else { return nil }
        return self.candidates.popFirst()
    }

    /// Takes the next ones out of the list that were opened before that time, at most so many.
    mutating func take(_ count: Int, openedBefore time: NIODeadline) -> [Candidate] {
        let taken = self.candidates.lazy.filter { $0.opened < time }.prefix(max(0, count))
        let ids = Set(taken.map(\.id))
        defer { self.candidates.removeAll { ids.contains($0.id) } }
        return Array(taken)
    }
}
