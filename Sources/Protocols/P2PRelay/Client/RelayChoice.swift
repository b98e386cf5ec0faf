import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// At which relays this node has its places, among those that it has met; a value that is told the time.
///
/// The first that is found is taken at once. Two are wanted, best in different networks, so that one failure does not take both; when one gives no
/// place, or goes, the next is taken.
struct RelayChoice {
    enum Action: Hashable {
        case take(PeerID, at: Multiaddr)
        case drop(PeerID)
    }

    static let wanted = 2
    /// Relays that are remembered; those beyond have to come again.
    static let candidateLimit = 20
    private static let refusalPauses: ClosedRange<Int64> = 30...900

    private struct Candidate {
        let peer: PeerID
        let address: Multiaddr
        let network: IPAddress?
        var failures: Int64 = 0
        var idleUntil: NIODeadline?
    }

    /// The oldest first.
    private var candidates: [Candidate] = []
    private(set) var taken: [PeerID] = []
    /// Of those that are taken, those that have given a place.
    var held: Set<PeerID> = []

    // MARK: Facts

    mutating func found(_ peer: PeerID, at address: Multiaddr) {
        guard !self.candidates.contains(where: { $0.peer == peer }), self.candidates.count < Self.candidateLimit else { return }
        self.candidates.append(Candidate(peer: peer, address: address, network: Self.network(of: address)))
    }

    /// Its last connection is over. A relay that is taken is given up only when it can't be reached again.
    mutating func gone(_ peer: PeerID) {
        if !self.taken.contains(peer) { self.candidates.removeAll { $0.peer == peer } }
    }

    /// It gave no place, or can't be reached.
    mutating func failed(_ peer: PeerID, _ failure: ReservationSchedule.Failure, at now: NIODeadline) {
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
    var deadline: NIODeadline? { self.candidates.compactMap(\.idleUntil).min() }

    mutating func next(at now: NIODeadline) -> [Action] {
        for index in self.candidates.indices {
            if let until = self.candidates[index].idleUntil, until <= now { self.candidates[index].idleUntil = nil }
        }
        var actions: [Action] = []
        // Those that said no make room for others, as do those that went.
        let usable = Set(self.candidates.filter { $0.idleUntil == nil }.map(\.peer))
        for peer in self.taken where !usable.contains(peer) && !self.held.contains(peer) { actions.append(self.drop(peer)) }
        while self.taken.count < Self.wanted, let best = self.best(distinctOnly: false) { actions.append(self.take(best)) }
        guard actions.isEmpty, self.taken.allSatisfy(self.held.contains) else { return actions }
        if self.taken.count > Self.wanted, let worst = self.duplicate ?? self.taken.last {
            actions.append(self.drop(worst))
        } else if self.taken.count == Self.wanted, self.duplicate != nil, let better = self.best(distinctOnly: true) {
            actions.append(self.take(better))
        }
        return actions
    }

    private mutating func take(_ candidate: Candidate) -> Action {
        self.taken.append(candidate.peer)
        return .take(candidate.peer, at: candidate.address)
    }

    private mutating func drop(_ peer: PeerID) -> Action {
        self.taken.removeAll { $0 == peer }
        self.held.remove(peer)
        return .drop(peer)
    }

    private func best(distinctOnly: Bool) -> Candidate? {
        let free = self.candidates.filter { $0.idleUntil == nil && !self.taken.contains($0.peer) }
        let networks = Set(self.takenCandidates.map(\.network))
        let distinct = free.first { !networks.contains($0.network) }
        return distinctOnly ? distinct : distinct ?? free.first
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
