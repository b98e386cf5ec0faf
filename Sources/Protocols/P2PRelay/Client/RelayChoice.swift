package import NIOCore
import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// At which relays this node has its places, among those that it has met; a value that is told the time.
///
/// The first that is found is taken at once. Two are wanted, best in different networks, so that one failure does not take both; when one gives no
/// place, or goes, the next is taken, for which one more stays connected. One that is much nearer takes the place of the farthest: now and then, since
/// each exchange changes the addresses that peers know.
package struct RelayChoice {
    package enum Action: Hashable {
        case take(PeerID, at: Multiaddr)
        case drop(PeerID)
        /// Its connection stays: it is the one to be taken next.
        case keep(PeerID)
        /// It need not stay any more.
        case release(PeerID)
    }

    package static let wanted = 2
    /// Relays that are remembered; those beyond have to come again.
    package static let candidateLimit = 20
    private static let refusalPauses: ClosedRange<Int64> = 30...900
    /// What a nearer relay has to save, besides half of the way.
    private static let worthwhile = TimeAmount.milliseconds(20)
    /// The time from one exchange for a nearer one to the next.
    private static let settling = TimeAmount.minutes(5)

    private struct Candidate {
        let peer: PeerID
        let address: Multiaddr
        let network: IPAddress?
        var roundTrip: TimeAmount?
        var failures: Int64 = 0
        var idleUntil: NIODeadline?

        /// What is not measured is farthest.
        var distance: TimeAmount { self.roundTrip ?? .nanoseconds(.max) }
    }

    /// The oldest first.
    private var candidates: [Candidate] = []
    package private(set) var taken: [PeerID] = []
    /// Of those that are taken, those that have given a place.
    package var held: Set<PeerID> = []
    /// The one that stays connected without being taken.
    package private(set) var spare: PeerID?
    /// What is given up for one that is nearer, once that holds.
    private var outdone: PeerID?
    private var settledAt: NIODeadline?

    package init() {}

    // MARK: Facts

    /// - Returns: whether it is news.
    @discardableResult package mutating func found(_ peer: PeerID, at address: Multiaddr) -> Bool {
        guard !self.candidates.contains(where: { $0.peer == peer }), self.candidates.count < Self.candidateLimit else { return false }
        self.candidates.append(Candidate(peer: peer, address: address, network: Self.network(of: address)))
        return true
    }

    /// How far it is.
    package mutating func measured(_ peer: PeerID, roundTrip: TimeAmount) {
        guard let index = self.candidates.firstIndex(where: { $0.peer == peer }) else { return }
        self.candidates[index].roundTrip = roundTrip
    }

    /// Its last connection is over. A relay that is taken is given up only when it can't be reached again.
    package mutating func gone(_ peer: PeerID) {
        if !self.taken.contains(peer) { self.candidates.removeAll { $0.peer == peer } }
    }

    /// It gave no place, or can't be reached.
    package mutating func failed(_ peer: PeerID, _ failure: ReservationSchedule.Failure, at now: NIODeadline) {
        guard !self.held.contains(peer), let index = self.candidates.firstIndex(where: { $0.peer == peer }) else { return }
        switch failure {
        case .unreachable: self.candidates.remove(at: index)
        case .refused, .denied:
            self.candidates[index].failures += failure == .denied ? 10 : 1
            let doublings = min(self.candidates[index].failures - 1, 10)
            let seconds = min(Self.refusalPauses.upperBound, Self.refusalPauses.lowerBound << doublings)
            self.candidates[index].idleUntil = now + .seconds(seconds)
        }
    }

    // MARK: Decisions

    /// When something is due, if nothing happens before.
    package var deadline: NIODeadline? { (self.candidates.compactMap(\.idleUntil) + [self.settledAt].compactMap { $0 }).min() }

    package mutating func next(at now: NIODeadline) -> [Action] {
        for index in self.candidates.indices {
            if let until = self.candidates[index].idleUntil, until <= now { self.candidates[index].idleUntil = nil }
        }
        if let settledAt, settledAt <= now { self.settledAt = nil }
        var actions: [Action] = []
        // Those that said no make room for others, as do those that went.
        let usable = Set(self.candidates.filter { $0.idleUntil == nil }.map(\.peer))
        for peer in self.taken where !usable.contains(peer) && !self.held.contains(peer) { actions.append(self.drop(peer)) }
        while self.taken.count < Self.wanted, let best = self.best(distinctOnly: false) { actions.append(self.take(best)) }
        guard actions.isEmpty, self.taken.allSatisfy(self.held.contains) else { return actions }
        if self.taken.count > Self.wanted, let worst = self.outdone ?? self.duplicate ?? self.taken.last {
            actions.append(self.drop(worst))
        } else if self.taken.count == Self.wanted, self.duplicate != nil, let better = self.best(distinctOnly: true) {
            actions.append(self.take(better))
        } else if self.taken.count == Self.wanted, self.settledAt == nil, let (nearer, farthest) = self.nearer {
            self.outdone = farthest
            self.settledAt = now + Self.settling
            actions.append(self.take(nearer))
        }
        return actions.isEmpty ? self.changeOfSpare() : actions
    }

    /// One that is taken is no spare any more, nor is one that has gone or refuses.
    private mutating func changeOfSpare() -> [Action] {
        if let spare, self.candidates.contains(where: { $0.peer == spare && $0.idleUntil == nil }), !self.taken.contains(spare) {
            return []
        }
        let before = self.spare
        self.spare = self.best(distinctOnly: false)?.peer
        return (before.map { [.release($0)] } ?? []) + (self.spare.map { [.keep($0)] } ?? [])
    }

    /// A relay that is twice as near as the farthest that is taken, in a network of its own among those that stay, and that one.
    private var nearer: (Candidate, PeerID)? {
        let taken = self.takenCandidates
        guard let farthest = taken.filter({ $0.roundTrip != nil }).max(by: { $0.distance < $1.distance }) else { return nil }
        let networks = Set(taken.filter { $0.peer != farthest.peer }.map(\.network))
        let free = self.candidates.filter { $0.idleUntil == nil && !self.taken.contains($0.peer) && !networks.contains($0.network) }
        guard let best = free.min(by: { $0.distance < $1.distance }), best.distance <= .nanoseconds(farthest.distance.nanoseconds / 2),
            farthest.distance - best.distance >= Self.worthwhile
        else { return nil }
        return (best, farthest.peer)
    }

    private mutating func take(_ candidate: Candidate) -> Action {
        self.taken.append(candidate.peer)
        return .take(candidate.peer, at: candidate.address)
    }

    private mutating func drop(_ peer: PeerID) -> Action {
        self.taken.removeAll { $0 == peer }
        self.held.remove(peer)
        if self.outdone == peer || !self.taken.contains(where: { $0 == self.outdone }) { self.outdone = nil }
        return .drop(peer)
    }

    private func best(distinctOnly: Bool) -> Candidate? {
        let free = self.candidates.filter { $0.idleUntil == nil && !self.taken.contains($0.peer) }
        let networks = Set(self.takenCandidates.map(\.network))
        // Among those that are equally near, or not measured yet, the oldest.
        let distinct = free.filter { !networks.contains($0.network) }.min { $0.distance < $1.distance }
        return distinctOnly ? distinct : distinct ?? free.min { $0.distance < $1.distance }
    }

    private var takenCandidates: [Candidate] { self.candidates.filter { self.taken.contains($0.peer) } }

    /// The youngest that shares its network with an older one.
    private var duplicate: PeerID? {
        let taken = self.taken.compactMap { peer in self.candidates.first { $0.peer == peer } }
        return taken.indices.last { index in taken[..<index].contains { $0.network == taken[index].network } }.map { taken[$0].peer }
    }

    private static func network(of address: Multiaddr) -> IPAddress? {
        guard let ip = address.ipAddress?.unmapped else { return nil }
        return ip.masked(to: ip.isIPv4 ? 16 : 32)
    }
}
