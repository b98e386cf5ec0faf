import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// Which connections are closed for want of memory, as a value: facts and time in, a list out.
///
/// In this order: those of peers that have taken nothing of what waits for them for a while, before those that go forward; those that came before those
/// that were dialled; then whose peer holds most for longest. Those in known networks only
/// where their peer is beyond its share; those that hold next to nothing never.
struct MemoryRelief {
    /// What is to be known of a connection.
    struct Holding {
        let id: ConnectionID
        let peer: PeerID
        /// The networks that count it.
        var networks: [IPNetwork] = []
        /// Bytes in its buffers.
        let held: Int
        /// Bytes that it counts for, and gives back when it goes.
        let charge: Int
        /// All bytes that it held once and holds no more.
        let released: Int
        let isAllowed: Bool
        let isDialled: Bool
        /// It is being closed already.
        let isLeaving: Bool
    }

    /// One that is to go, and why.
    struct Victim: Equatable {
        enum Reason: Equatable {
            /// Its peer holds more than one peer may.
            case share
            /// Its network holds more than one network may.
            case network
            /// The host holds too much, and this connection has not moved for a while.
            case stuck
            /// The host holds as much as it may, and nobody stands still.
            case full
        }

        let id: ConnectionID
        let reason: Reason
    }

    private struct Sighting {
        var released: Int
        var since: NIODeadline
    }

    /// Whoever has moved nothing for so long does not go forward.
    static let patience = TimeAmount.seconds(1)
    /// Standing still for longer than this makes nobody worse.
    static let longest = TimeAmount.seconds(10)
    /// Closing what holds less frees nothing.
    static let least = HeldMemory.included

    let limits: MemoryLimits
    private var seen: [ConnectionID: Sighting] = [:]

    init(limits: MemoryLimits) {
        self.limits = limits
    }

    /// Looks at every connection; says which are to be closed now. To be called a few times a second while memory is tight.
    ///
    /// - Parameter use: what counts for ``MemoryLimits/total``.
    mutating func victims(among holdings: [Holding], use: Int, at now: NIODeadline) -> [Victim] {
        self.observe(holdings, at: now)
        var victims: [Victim] = []
        var gone: Set<ConnectionID> = []
        // What is leaving is as good as free.
        var use = use - holdings.reduce(0) { $0 + ($1.isLeaving && !$1.isAllowed ? $1.charge : 0) }
        var ofPeer: [PeerID: Int] = [:]
        for holding in holdings where !holding.isLeaving { ofPeer[holding.peer, default: 0] += holding.charge }
        let weights = ofPeer

        func close(_ holding: Holding, _ reason: Victim.Reason) {
            victims.append(Victim(id: holding.id, reason: reason))
            gone.insert(holding.id)
            if !holding.isAllowed { use -= holding.charge }
            ofPeer[holding.peer, default: 0] -= holding.charge
        }
        let candidates = holdings.filter { !$0.isLeaving && $0.held > Self.least }
        for holding in candidates.sorted(by: { $0.charge > $1.charge }) where ofPeer[holding.peer, default: 0] > self.limits.perPeer {
            close(holding, .share)
        }
        self.closeCrowded(candidates.filter { !gone.contains($0.id) }, among: holdings.filter { !gone.contains($0.id) }) {
            close($0, .network)
        }
        let pressure = MemoryPressure.of(use, limit: self.limits.total)
        guard pressure >= .critical else { return victims }
        let isFull = pressure == .exhausted
        let order = candidates.filter { !$0.isAllowed && !gone.contains($0.id) }
            .map { (holding: $0, rank: self.rank($0, ofPeer: weights[$0.peer, default: 0], at: now)) }
            .filter { isFull || $0.rank.isStuck }
            .sorted { $0.rank > $1.rank }
        for (holding, rank) in order where use >= MemoryPressure.relieved(self.limits.total) {
            close(holding, rank.isStuck ? .stuck : .full)
        }
        return victims
    }

    /// The largest connections of networks that hold too much, until they are within.
    private func closeCrowded(_ candidates: [Holding], among holdings: [Holding], _ close: (Holding) -> Void) {
        guard candidates.contains(where: { !$0.networks.isEmpty }) else { return }
        var ofNetwork: [IPNetwork: Int] = [:]
        for holding in holdings where !holding.isLeaving {
            for network in holding.networks { ofNetwork[network, default: 0] += holding.charge }
        }
        for holding in candidates.sorted(by: { $0.charge > $1.charge })
        where holding.networks.contains(where: { ofNetwork[$0, default: 0] > self.limits.limit(of: $0) }) {
            close(holding)
            for network in holding.networks { ofNetwork[network, default: 0] -= holding.charge }
        }
    }

    private mutating func observe(_ holdings: [Holding], at now: NIODeadline) {
        var seen: [ConnectionID: Sighting] = [:]
        seen.reserveCapacity(holdings.count)
        for holding in holdings {
            var sighting = self.seen[holding.id] ?? Sighting(released: holding.released, since: now)
            if sighting.released != holding.released { sighting = Sighting(released: holding.released, since: now) }
            seen[holding.id] = sighting
        }
        self.seen = seen
    }

    /// The higher, the sooner it goes.
    private struct Rank: Comparable {
        let isStuck: Bool
        let isDialled: Bool
        let weight: Double

        static func < (one: Rank, other: Rank) -> Bool {
            if one.isStuck != other.isStuck { return !one.isStuck }
            if one.isDialled != other.isDialled { return one.isDialled }
            return one.weight < other.weight
        }
    }

    private func rank(_ holding: Holding, ofPeer bytes: Int, at now: NIODeadline) -> Rank {
        let still = self.seen[holding.id].map { now - $0.since } ?? .zero
        let isStuck = still >= Self.patience
        let seconds = Double(min(max(still, .seconds(1)), Self.longest).nanoseconds) / 1e9
        return Rank(isStuck: isStuck, isDialled: holding.isDialled, weight: Double(bytes) * (isStuck ? seconds : 1))
    }
}
