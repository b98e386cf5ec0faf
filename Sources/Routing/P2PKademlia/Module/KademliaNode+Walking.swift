import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Look-ups: the machine's driver.
extension KademliaNode {
    typealias EventSink = @Sendable (KademliaEvent) -> Void

    private enum Turn: Sendable {
        case replied(Lookup.Contact, Result<Reply, StreamError>)
        case time
    }

    /// What a walk has led to.
    struct Walk {
        var lookup: Lookup
        var summary = KademliaSummary()
        var startedAt: NIODeadline
        /// How near the farthest of the nearest is, as a part of what is expected; nil unless they crowd.
        var crowding: Double?
        /// What came was enough, so that it ended before its time.
        var isCut = false
    }

    /// What a second walk needs to lead to anything.
    private static let timeForAnother = Duration.seconds(1)

    /// Asks from peer to peer, and once more where that was not enough while this node was joining the network: whoever is known by then leads farther than the first one that it met.
    ///
    /// Parameters are those of ``walkOnce(to:asking:count:until:onEvent:absorb:)``.
    func walk(
        to key: [UInt8], asking request: KademliaMessage, count: Int? = nil, until deadline: NIODeadline? = nil,
        onEvent: @escaping EventSink, absorb: (Lookup.Contact, Reply, Lookup) async -> Bool = { _, _, _ in false }
    ) async throws(KademliaError) -> Walk {
        let joining = self.state.withLock { $0.joining }
        let deadline = deadline ?? self.clock.now().advanced(by: self.configuration.lookupTimeout)
        let first = try await self.walkOnce(to: key, asking: request, count: count, until: deadline, onEvent: onEvent, absorb: absorb)
        guard let joining, !first.isCut, !first.lookup.isWhole, first.lookup.nearest.count < first.lookup.terms.count else { return first }
        let patience = min(deadline, self.clock.now().advanced(by: Self.patienceForPeers))
        _ = await self.clock.result(by: patience) { await joining.wait() }
        if Task.isCancelled { throw Self.cancelled }
        let met = Set(first.lookup.nearest.map(\.peer))
        let known = self.state.withLock { $0.table.nearest(to: first.lookup.target, count: first.lookup.terms.count) }
        guard joining.isFired, known.contains(where: { !met.contains($0.peer) }),
            self.clock.now().advanced(by: Self.timeForAnother) <= deadline
        else { return first }
        // What the first has found is not lost where the second finds less, or nobody.
        var walk: Walk
        do throws(KademliaError) {
            walk = try await self.walkOnce(to: key, asking: request, count: count, until: deadline, onEvent: onEvent, absorb: absorb)
        } catch {
            guard error.code != .cancelled, !Task.isCancelled else { throw error }
            return first
        }
        if !walk.isCut, walk.lookup.nearest.count < first.lookup.nearest.count {
            walk.lookup = first.lookup
            walk.crowding = first.crowding
        }
        walk.startedAt = first.startedAt
        walk.summary.messages += first.summary.messages
        walk.summary.failures += first.summary.failures
        walk.summary.duration = .nanoseconds((self.clock.now() - first.startedAt).nanoseconds)
        return walk
    }

    /// Asks from peer to peer, ever nearer to the key, until the machine says that it is over or `absorb` that it is enough.
    ///
    /// While `absorb` is busy, answers wait for the walk and not the walk for answers: the machine's time stands still, so that nobody counts as silent for it.
    ///
    /// - Parameters:
    ///   - request: what each is asked.
    ///   - deadline: nil for ``KademliaConfiguration/lookupTimeout`` from now.
    ///   - absorb: is told of each answer, and what the walk knows by then; true ends it.
    func walkOnce(
        to key: [UInt8], asking request: KademliaMessage, count: Int? = nil, until deadline: NIODeadline? = nil,
        onEvent: @escaping EventSink, absorb: (Lookup.Contact, Reply, Lookup) async -> Bool = { _, _, _ in false }
    ) async throws(KademliaError) -> Walk {
        let startedAt = self.clock.now()
        let deadline = deadline ?? startedAt.advanced(by: self.configuration.lookupTimeout)
        try await self.waitForPeers(until: min(deadline, startedAt.advanced(by: Self.patienceForPeers)))
        let target = KademliaPoint(ofKey: key)
        let judge = self.judge
        var terms = Lookup.Terms()
        terms.count = count ?? self.configuration.replication
        terms.parallelism = self.configuration.parallelism
        terms.stall = self.configuration.stall
        let seeds = self.state.withLock { state in
            state.statistics.lookups += 1
            return state.table.nearest(to: target, count: terms.count * Lookup.Terms.seeds)
        }
        var lookup = Lookup(
            towards: target,
            from: seeds.map { seed in
                Lookup.Contact(seed.peer, at: seed.addresses.map { KnownAddress($0, source: .identify, origin: judge.origin(of: $0)) })
            }, ownPeer: self.ownPeer, terms: terms)
        var failed: [PeerID] = []
        var charged = lookup.size
        self.account?.change(by: charged)
        defer { self.account?.change(by: -charged) }
        let clock = self.clock
        var (isLate, isCut) = (false, false)
        var busy = TimeAmount.zero
        await withTaskGroup(of: Turn.self) { group in
            group.addTask {
                await clock.sleep(deadline)
                return .time
            }
            var alarm: NIODeadline?
            walking: while !Task.isCancelled {
                switch lookup.next(at: clock.now() - busy) {
                case .finished: break walking
                case .ask(let contacts):
                    for contact in contacts {
                        onEvent(.asked(contact.peer, hop: contact.hop))
                        group.addTask {
                            do throws(StreamError) {
                                return .replied(contact, .success(try await self.ask(contact, request)))
                            } catch {
                                return .replied(contact, .failure(error))
                            }
                        }
                    }
                    continue walking
                case .wait(let until):
                    guard let until = until.map({ $0 + busy }), until < deadline, until != alarm else { break }
                    alarm = until
                    group.addTask {
                        await clock.sleep(until)
                        return .time
                    }
                }
                switch await group.next() {
                case nil: break walking
                case .time:
                    if clock.now() >= deadline {
                        isLate = true
                        break walking
                    }
                case .replied(let contact, .failure(let error)):
                    lookup.failed(contact.peer)
                    if error.isThePeers { failed.append(contact.peer) }
                    onEvent(.failed(contact.peer, reason: error.description))
                case .replied(let contact, .success(let reply)):
                    let named = self.believed(reply.message.closer, toldAt: Meeting(reply.connection), judge: judge)
                    self.answered(contact.peer, on: reply.connection, heard: await self.addresses(toldBy: contact.peer))
                    let new = lookup.answered(contact.peer, naming: named.filter(self.isReachable))
                    self.account?.change(by: lookup.size - charged)
                    charged = lookup.size
                    onEvent(.answered(contact.peer, new: new))
                    let began = clock.now()
                    isCut = await absorb(contact, reply, lookup)
                    busy = busy + (clock.now() - began)
                    if isCut { break walking }
                }
            }
            group.cancelAll()
        }
        // When nobody answers, it is this node that is cut off.
        if lookup.answers > 0 {
            for peer in failed { self.remove(peer) }
            // Those who were asked a moment before it was enough have had no time to answer.
            if !isCut {
                self.state.withLock { state in
                    for peer in lookup.unanswered { state.table.suspect(peer) }
                }
            }
        }
        if Task.isCancelled { throw Self.cancelled }
        var walk = Walk(lookup: lookup, startedAt: startedAt)
        walk.isCut = isCut
        walk.crowding = self.crowding(in: lookup, isWhole: !isCut && !isLate)
        if let part = walk.crowding { onEvent(.crowded(part: part)) }
        walk.summary.messages = lookup.messages
        walk.summary.hops = lookup.hops
        walk.summary.failures = lookup.failures
        walk.summary.duration = .nanoseconds((clock.now() - startedAt).nanoseconds)
        if isLate, lookup.answers == 0 {
            throw KademliaError(.timedOut, "nobody of \(lookup.messages) peers has answered within \(walk.summary.duration)")
        }
        if lookup.answers == 0 {
            throw KademliaError(.noPeers, "none of the \(lookup.messages) peers that are known answers")
        }
        return walk
    }

    /// Where a peer says itself that it is. What others say of it is good for a dial, but is neither kept nor told to anybody.
    private func addresses(toldBy peer: PeerID) async -> [Multiaddr] {
        if let introduction = await self.host.peerstore.introduction(of: peer), !introduction.listenAddresses.isEmpty {
            return introduction.listenAddresses
        }
        return self.state.withLock { $0.table.contact(peer)?.addresses ?? [] }
    }

    /// Takes in how far the nearest are, and says whether they crowd.
    ///
    /// - Parameter isWhole: false for a walk that was cut short: nearer ones may be left, so it says nothing of the network's size.
    private func crowding(in lookup: Lookup, isWhole: Bool) -> Double? {
        let (nearest, count) = (lookup.nearest, self.configuration.replication)
        guard lookup.terms.count == count, nearest.count == count, let last = nearest.last else { return nil }
        let farthest = KademliaPoint(of: last.peer).distance(to: lookup.target).fraction
        return self.state.withLock { state in
            defer { if isWhole { state.size.note(farthest: farthest, of: count) } }
            guard state.size.isCrowded(farthest: farthest, of: count), let expected = state.size.expectedDistance(of: count) else {
                return nil
            }
            return farthest / expected
        }
    }

    /// Who is to hold what is stored under a key: the nearest, and where they crowd all that are as near as the last of them should be.
    func holders(
        of key: [UInt8], onEvent: @escaping EventSink
    ) async throws(KademliaError) -> (walk: Walk, holders: [Lookup.Contact]) {
        let request = KademliaMessage(.findNode, key: key)
        let walk = try await self.walk(to: key, asking: request, onEvent: onEvent)
        let count = self.configuration.replication
        guard let crowding = walk.crowding, let radius = self.state.withLock({ $0.size.expectedDistance(of: count) }) else {
            return (walk, walk.lookup.nearest)
        }
        self.logger.warning(
            "peers crowd around a key of the hash table: what is stored there goes to the region around it, too",
            metadata: ["part of the distance expected": "\(crowding)"])
        let wide = try await self.widen(walk, to: key, asking: request, onEvent: onEvent)
        let holders = wide.lookup.nearest.enumerated().filter { index, contact in
            index < count || KademliaPoint(of: contact.peer).distance(to: wide.lookup.target).fraction <= radius
        }.map(\.element)
        return (wide, holders)
    }

    /// A walk that looks past those that crowd around the key, unless what came was enough: they may hide what the others know.
    func walkPastCrowd(
        to key: [UInt8], asking request: KademliaMessage, onEvent: @escaping EventSink,
        absorb: (Lookup.Contact, Reply, Lookup) async -> Bool
    ) async throws(KademliaError) -> Walk {
        let walk = try await self.walk(to: key, asking: request, onEvent: onEvent, absorb: absorb)
        guard walk.crowding != nil, !walk.isCut else { return walk }
        return try await self.widen(walk, to: key, asking: request, onEvent: onEvent, absorb: absorb)
    }

    /// Goes once more through the whole region of a key around which peers crowd; what the first walk has cost counts as well.
    private func widen(
        _ walk: Walk, to key: [UInt8], asking request: KademliaMessage, onEvent: @escaping EventSink,
        absorb: (Lookup.Contact, Reply, Lookup) async -> Bool = { _, _, _ in false }
    ) async throws(KademliaError) -> Walk {
        let count = self.configuration.replication * KademliaLimits.regionFactor
        var wide = try await self.walk(to: key, asking: request, count: count, onEvent: onEvent, absorb: absorb)
        wide.summary.messages += walk.summary.messages
        wide.crowding = walk.crowding
        return wide
    }

    /// Whether there is a way to a peer that was named: without an address, only if it is known.
    private func isReachable(_ contact: Lookup.Contact) -> Bool {
        !contact.addresses.isEmpty || self.state.withLock { $0.table.contains(contact.peer) }
    }

    // MARK: Peers

    func closestPeers(
        to key: [UInt8], onEvent: @escaping EventSink
    ) async throws(KademliaError) -> (peers: [KademliaContact], summary: KademliaSummary) {
        try Self.check(key)
        var walk = try await self.walk(to: key, asking: KademliaMessage(.findNode, key: key), onEvent: onEvent)
        let peers = walk.lookup.nearest.map { KademliaContact($0.peer, at: $0.addresses.map(\.address)) }
        walk.summary.found = peers.count
        for peer in peers { onEvent(.found(peer)) }
        onEvent(.finished(walk.summary))
        return (peers, walk.summary)
    }

    static func check(_ key: [UInt8]) throws(KademliaError) {
        guard (1...KademliaLimits.keyLength).contains(key.count) else {
            throw KademliaError(.invalidKey, "a key has 1 to \(KademliaLimits.keyLength) bytes, this has \(key.count)")
        }
    }

    /// How often a peer that is looked for is dialled where it is said to be, and for how long, before the look-up goes on.
    private static let confirmations = 3
    private static let confirmationTime = Duration.seconds(2)

    func findPeer(_ peer: PeerID, onEvent: @escaping EventSink) async throws(KademliaError) -> KademliaContact {
        let startedAt = self.clock.now()
        if let connection = self.host.connections(to: peer).first {
            let found = await self.contact(of: connection)
            onEvent(.found(found))
            var summary = KademliaSummary()
            summary.found = 1
            onEvent(.finished(summary))
            return found
        }
        var heard: [KnownAddress] = []
        var (tries, confirmed): (Int, KademliaContact?) = (0, nil)
        var walk = try await self.walk(to: peer.bytes, asking: KademliaMessage(.findNode, key: peer.bytes), onEvent: onEvent) {
            contact, reply, _ in
            if contact.peer == peer {
                confirmed = await self.contact(of: PeerConnection(reply.connection, of: self.host))
                return true
            }
            let named = reply.message.closer.filter { $0.peer == peer }
            let new = self.believed(named, toldAt: Meeting(reply.connection), judge: self.judge).flatMap(\.addresses)
                .filter { one in !heard.contains { $0.address == one.address } }
            guard !new.isEmpty, heard.count < KademliaLimits.addressesPerPeer else { return false }
            heard += new
            guard tries < Self.confirmations else { return false }
            tries += 1
            self.enter(peer)
            defer { self.leave(peer) }
            guard let connection = try? await self.dial(Lookup.Contact(peer, at: new), timeout: Self.confirmationTime) else { return false }
            confirmed = await self.contact(of: connection)
            return true
        }
        walk.summary.duration = .nanoseconds((self.clock.now() - startedAt).nanoseconds)
        let found = confirmed ?? KademliaContact(peer, at: heard.map(\.address))
        if !found.addresses.isEmpty {
            walk.summary.found = 1
            onEvent(.found(found))
        }
        onEvent(.finished(walk.summary))
        guard walk.summary.found > 0 else {
            throw KademliaError(.notFound, "nobody of \(walk.lookup.answers) peers knows where \(peer) is")
        }
        return found
    }

    /// A peer that is connected, where it is.
    private func contact(of connection: PeerConnection) async -> KademliaContact {
        var addresses = connection.isDialled ? [connection.remoteAddress.withoutPeerID] : []
        for address in await self.host.peerstore.addresses(of: connection.remotePeer) where !addresses.contains(address) {
            addresses.append(address)
        }
        if addresses.isEmpty { addresses = [connection.remoteAddress.withoutPeerID] }
        return KademliaContact(connection.remotePeer, at: addresses)
    }

    /// Dials of a peer do not come back here meanwhile.
    private func enter(_ peer: PeerID) { self.state.withLock { $0.asking[peer, default: 0] += 1 } }

    private func leave(_ peer: PeerID) {
        self.state.withLock { state in
            let left = state.asking[peer, default: 1] - 1
            state.asking[peer] = left > 0 ? left : nil
        }
    }

    /// Looks for a peer that is dialled, and hands over addresses as they are heard.
    func find(
        _ peer: PeerID, until deadline: NIODeadline, onAddresses: @escaping @Sendable ([Multiaddr]) -> Void
    ) async throws(KademliaError) {
        guard !self.state.withLock({ $0.asking[peer] != nil }) else {
            throw KademliaError(.notFound, "it is being asked for something by a look-up, which knows no more of it")
        }
        if let known = self.state.withLock({ $0.table.contact(peer) }), !known.addresses.isEmpty { onAddresses(known.addresses) }
        var heard: Set<Multiaddr> = []
        let walk = try await self.walk(
            to: peer.bytes, asking: KademliaMessage(.findNode, key: peer.bytes), until: deadline, onEvent: { _ in }
        ) { contact, reply, _ in
            let named = reply.message.closer.filter { $0.peer == peer }
            let new = self.believed(named, toldAt: Meeting(reply.connection), judge: self.judge).flatMap(\.addresses).map(\.address)
                .filter { !heard.contains($0) }
            guard !new.isEmpty, heard.count < KademliaLimits.addressesPerPeer else { return false }
            heard.formUnion(new)
            onAddresses(new)
            return false
        }
        guard !heard.isEmpty else { throw KademliaError(.notFound, "nobody of \(walk.lookup.answers) peers knows where it is") }
    }
}
