import Logging
import NIOCore
package import P2PCore
package import P2PIdentity
import Synchronization

/// Connections that are worth their place stay, others make room: above the high watermark down to the low one, and one for each that comes when all places
/// are taken.
extension Swarm {
    /// Between two looks at what connections do, while there are many.
    static let lookPause = Duration.seconds(5)
    /// For how long a ranking holds: whoever is refused costs no new one.
    private static let rankingTime = TimeAmount.milliseconds(500)

    /// What the swarm keeps for trimming.
    struct TrimState {
        var tags = PeerTags()
        var ranking = TrimRanking()
        /// Until when the ranking holds.
        var rankedUntil = NIODeadline.uptimeNanoseconds(0)
        /// Somebody looks at what connections do.
        var isTended = false
        /// Connections that made room.
        var trimmed = 0
        var log = LogInterval(.seconds(1))
    }

    // MARK: What is said of peers

    /// See ``PeerValuing``.
    package func tag(_ peer: PeerID, _ name: String, value: Int) {
        let now = self.clock.now()
        self.trimming.withLock { $0.tags.set(name, of: peer, to: value, at: now) }
    }

    /// See ``PeerValuing``.
    package func tag(_ peer: PeerID, _ name: String, adding points: Int, halfLife: Duration) {
        let now = self.clock.now()
        self.trimming.withLock { $0.tags.add(points, to: name, of: peer, halfLife: halfLife, at: now) }
    }

    /// See ``PeerValuing``.
    package func untag(_ peer: PeerID, _ name: String) {
        self.trimming.withLock { $0.tags.remove(name, of: peer) }
    }

    /// See ``PeerValuing``.
    package func protect(_ peer: PeerID, for name: String) {
        self.trimming.withLock { $0.tags.protect(peer, for: name) }
    }

    /// See ``PeerValuing``.
    @discardableResult
    package func unprotect(_ peer: PeerID, for name: String) -> Bool {
        self.trimming.withLock { $0.tags.unprotect(peer, for: name) }
    }

    /// What a connection is worth now; nil when it is gone.
    package func value(of connection: ConnectionID) -> ConnectionValue? {
        guard let place = self.table.withLock({ $0.place(of: connection) }) else { return nil }
        let now = self.clock.now()
        let facts = self.facts(of: place, self.trimming.withLock { $0.tags }, at: now)
        let neighbours = facts.crowd.map { crowd in
            self.connections.count { !$0.info.isDialled && NetworkKey($0.info.remoteAddress) == crowd }
        }
        return facts.value(among: neighbours ?? 0, at: now)
    }

    /// What every connection is worth now, the oldest first.
    package var values: [(connection: ConnectionInfo, value: ConnectionValue)] {
        let now = self.clock.now()
        let all = self.facts(at: now)
        let ranking = TrimRanking(all.map(\.facts), at: now)
        return all.map { ($0.entry.info, ranking.value(of: $0.facts, at: now)) }
    }

    /// Connections that made room for others.
    var trimmedConnections: Int { self.trimming.withLock { $0.trimmed } }

    // MARK: Facts

    private func facts(at now: NIODeadline) -> [(entry: ConnectionEntry, facts: ConnectionFacts)] {
        let places = self.table.withLock { $0.places }
        let tags = self.trimming.withLock { $0.tags }
        return places.map { ($0.entry, self.facts(of: $0, tags, at: now)) }
    }

    private func facts(of place: ConnectionTable.Place, _ tags: PeerTags, at now: NIODeadline) -> ConnectionFacts {
        let (entry, info) = (place.entry, place.entry.info)
        let activity = entry.observe(at: now)
        return ConnectionFacts(
            id: info.id, peer: info.remotePeer, crowd: info.isDialled ? nil : NetworkKey(info.remoteAddress), isDialled: info.isDialled,
            isLimited: info.isLimited, isAllowed: self.configuration.known.allow(info.remotePeer, at: info.remoteAddress),
            isLeaving: place.isLeaving || entry.closingCode != nil, isSpare: place.isSpare, streams: activity.streams, opened: entry.opened,
            movedAt: activity.movedAt, tags: tags.reasons(for: info.remotePeer, at: now), protections: tags.protections(of: info.remotePeer)
        )
    }

    // MARK: Watermarks

    /// Has somebody look at what connections do, from the low watermark on.
    func watchConnections() {
        guard self.limits.ordinaryConnections >= max(1, self.configuration.limits.watermarks.low) else { return }
        let isNew = self.trimming.withLock { state in
            defer { state.isTended = true }
            return !state.isTended
        }
        if isNew { self.jobQueue.yield(.tend) }
    }

    /// Looks at what connections do, and closes the least valuable while there are more than the high watermark; returns when there are fewer than the
    /// low one, or the task is cancelled.
    package func tend() async {
        let watermarks = self.configuration.limits.watermarks
        while !Task.isCancelled, self.limits.ordinaryConnections >= max(1, watermarks.low) {
            let now = self.clock.now()
            if self.limits.ordinaryConnections > watermarks.high {
                var ranking = TrimRanking(self.facts(at: now).map(\.facts), at: now)
                self.trimToLow(&ranking, at: now)
            } else {
                for entry in self.table.withLock({ Array($0.connections.values) }) { _ = entry.observe(at: now) }
            }
            await self.clock.sleep(now.advanced(by: Self.lookPause))
        }
        self.trimming.withLock { $0.isTended = false }
        // Who came since the last look was not heard.
        if !Task.isCancelled { self.watchConnections() }
    }

    private func trimToLow(_ ranking: inout TrimRanking, at now: NIODeadline) {
        let limits = self.configuration.limits
        let count = self.limits.ordinaryConnections - limits.watermarks.low
        for candidate in ranking.take(count, openedBefore: now - TimeAmount(limits.connectionGrace)) {
            self.trim(candidate, beyond: "connectionsHigh", limits.watermarks.high, at: now)
        }
    }

    // MARK: Room for one

    /// Has the least valuable connection make room for one whose peer has proved who it is; false when none may go, or none is worth less.
    ///
    /// Where a new ranking was made for that, more of them go, down to the low watermark, so that the next ones find room.
    func trim(for newcomer: ConnectionInfo) -> Bool {
        let now = self.clock.now()
        var isFresh = false
        if self.trimming.withLock({ $0.rankedUntil <= now }) {
            let ranking = TrimRanking(self.facts(at: now).map(\.facts), at: now)
            self.trimming.withLock { ($0.ranking, $0.rankedUntil) = (ranking, now + Self.rankingTime) }
            isFresh = true
        }
        let isSpare = self.connection(to: newcomer.remotePeer) != nil
        while let candidate = self.trimming.withLock({ self.takeFirst(for: newcomer, isSpare: isSpare, from: &$0, at: now) }) {
            guard self.trim(candidate, beyond: "connections", self.configuration.limits.connections, at: now) else { continue }
            if isFresh {
                var ranking = self.trimming.withLock { $0.ranking }
                self.trimToLow(&ranking, at: now)
            }
            return true
        }
        return false
    }

    private func takeFirst(
        for newcomer: ConnectionInfo, isSpare: Bool, from state: inout TrimState, at now: NIODeadline
    ) -> TrimRanking.Candidate? {
        let peer = newcomer.remotePeer
        let facts = ConnectionFacts(
            id: newcomer.id, peer: peer, crowd: newcomer.isDialled ? nil : NetworkKey(newcomer.remoteAddress),
            isDialled: newcomer.isDialled,
            isLimited: newcomer.isLimited, isAllowed: self.configuration.known.allow(peer, at: newcomer.remoteAddress), isSpare: isSpare,
            opened: now, movedAt: now, tags: state.tags.reasons(for: peer, at: now), protections: state.tags.protections(of: peer))
        return state.ranking.takeFirst(for: facts, at: now)
    }

    /// Closes a connection for others' sake; false when it is gone, or may not go any more.
    @discardableResult
    private func trim(_ candidate: TrimRanking.Candidate, beyond limit: String, _ value: Int, at now: NIODeadline) -> Bool {
        guard let place = self.table.withLock({ $0.place(of: candidate.id) }) else { return false }
        let facts = self.facts(of: place, self.trimming.withLock { $0.tags }, at: now)
        guard facts.hold(at: now) == nil, self.table.withLock({ $0.retire(place.entry) }) else { return false }
        let suppressed = self.trimming.withLock { state in
            state.trimmed += 1
            return state.log.admit(at: now)
        }
        if let suppressed {
            var metadata: Logger.Metadata = [
                "connection": "\(place.entry.info)", "worth": "\(candidate.value)", "scope": "the host", "limit": "\(limit)",
                "value": "\(value)", "use": "\(self.limits.ordinaryConnections)",
            ]
            if suppressed > 0 { metadata["more_like_it"] = "\(suppressed)" }
            self.logger.info("a connection makes room for others, being worth least", metadata: metadata)
        }
        // Its end may take a moment, and whoever comes has waited long enough.
        place.entry.release()
        self.jobQueue.yield(.discard(place.entry, .garbageCollected))
        return true
    }
}
