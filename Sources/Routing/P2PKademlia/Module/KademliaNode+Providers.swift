import NIOCore
import P2PCore
import P2PIdentity
import Synchronization

/// Providers: finding them, and being one.
extension KademliaNode {
    /// How long a provider is dialled before a search may end for it.
    private static let proofTime = Duration.seconds(2)
    /// Outcomes of announcements that wait for whoever asked; there are never more announcements.
    private static let waitingOutcomes = 1_024

    static func check(providerKey key: [UInt8]) throws(KademliaError) {
        guard (1...KademliaLimits.providerKeyLength).contains(key.count) else {
            throw KademliaError(
                .invalidKey, "the key of providers is a multihash of 1 to \(KademliaLimits.providerKeyLength) bytes, this has \(key.count)")
        }
    }

    // MARK: Finding

    func findProviders(of key: [UInt8], count: Int?, onEvent: @escaping EventSink) async throws(KademliaError) -> [KademliaContact] {
        try Self.check(providerKey: key)
        let startedAt = self.clock.now()
        var search = ProviderSearch()
        let now = self.clock.now()
        for provider in self.state.withLock({ $0.providers.providers(of: key, at: now) }) where provider.peer != self.ownPeer {
            if let news = search.add(provider, namedBy: self.ownPeer) { onEvent(.provider(news)) }
        }
        let judge = self.judge
        var walk = try await self.walkPastCrowd(to: key, asking: KademliaMessage(.getProviders, key: key), onEvent: onEvent) {
            contact, reply, _ in
            for provider in self.believed(reply.message.providers, toldAt: Meeting(reply.connection), judge: judge) {
                let provider = KademliaContact(provider.peer, at: provider.addresses.map(\.address))
                if let news = search.add(provider, namedBy: contact.peer) { onEvent(.provider(news)) }
            }
            guard let count else { return false }
            return await self.prove(&search, count)
        }
        let found = search.all
        walk.summary.found = found.count
        walk.summary.duration = .nanoseconds((self.clock.now() - startedAt).nanoseconds)
        onEvent(.finished(walk.summary))
        guard !found.isEmpty else { throw KademliaError(.notFound, "none of \(walk.lookup.answers) peers knows who has it") }
        return found
    }

    /// Whether so many of the providers that count are there: they are dialled before a search ends for them.
    private func prove(_ search: inout ProviderSearch, _ count: Int) async -> Bool {
        guard search.count >= count else { return false }
        let most = min(count - search.met, count + KademliaLimits.proofs - search.dialled, self.configuration.parallelism)
        let verdicts = await withTaskGroup(of: (PeerID, Bool).self) { group in
            for contact in search.unproved(upTo: most) {
                group.addTask { (contact.peer, await self.isThere(contact)) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for (peer, isThere) in verdicts { search.note(peer, isThere: isThere) }
        return search.met >= count
    }

    /// Whether a provider is where it is said to be; it is asked for when nobody says where.
    private func isThere(_ contact: KademliaContact) async -> Bool {
        if !self.host.connections(to: contact.peer).isEmpty { return true }
        let known = contact.addresses.map { KnownAddress($0, source: .identify, origin: self.judge.origin(of: $0)) }
        return (try? await self.dial(Lookup.Contact(contact.peer, at: known), timeout: Self.proofTime)) != nil
    }

    // MARK: Providing

    func provide(_ key: [UInt8], onEvent: @escaping EventSink) async throws(KademliaError) -> KademliaStoring {
        try Self.check(providerKey: key)
        try await self.keepProviding([key])
        return try await self.announce(key, onEvent: onEvent)
    }

    func keepProviding(_ keys: [[UInt8]]) async throws(KademliaError) {
        try await self.configuration.keystore.add(keys)
        await self.countKeys()
    }

    func stopProviding(_ key: [UInt8]) async throws(KademliaError) {
        try await self.configuration.keystore.remove(key)
        await self.countKeys()
    }

    func countKeys() async {
        let count = await self.configuration.keystore.count()
        self.state.withLock { $0.statistics.ownKeys = count }
    }

    /// Tells those nearest to a key that this node has it.
    func announce(_ key: [UInt8], onEvent: @escaping EventSink) async throws(KademliaError) -> KademliaStoring {
        let startedAt = self.clock.now()
        guard !self.host.announcedAddresses.isEmpty else {
            throw KademliaError(.noAddresses, "this node listens nowhere that others could be told of")
        }
        if self.configuration.isOptimistic {
            let size = self.state.withLock { $0.size.estimate }
            if let shortcut = OptimisticStoring(size: size, count: self.configuration.replication) {
                if let storing = try await self.announce(key, by: shortcut, onEvent: onEvent) { return storing }
            }
        }
        let (walk, nearest) = try await self.holders(of: key, onEvent: onEvent)
        var storing = KademliaStoring()
        (storing.holders, storing.refusals) = await self.store(
            at: nearest, within: self.configuration.requestTimeout, onEvent: onEvent
        ) { (contact) throws(StreamError) in try await self.tellProvider(of: [key], to: contact) }
        return try self.finish(storing, walk, sent: nearest.count, since: startedAt, onEvent)
    }

    /// Tells those that are near enough while the look-up goes on, and returns when most have taken note: the others are told as tasks of the host.
    ///
    /// - Returns: nil when peers crowd around the key, so that it takes the long way.
    private func announce(
        _ key: [UInt8], by shortcut: OptimisticStoring, onEvent: @escaping EventSink
    ) async throws(KademliaError) -> KademliaStoring? {
        let startedAt = self.clock.now()
        let outcomes = Inbox<(PeerID, StreamError?), Never>(limit: Self.waitingOutcomes)
        var (shortcut, sent) = (shortcut, 0)
        func tell(_ contact: Lookup.Contact) {
            sent += 1
            let job = Job(
                run: {
                    do throws(StreamError) {
                        try await self.tellProvider(of: [key], to: contact)
                        _ = outcomes.offer((contact.peer, nil))
                    } catch {
                        _ = outcomes.offer((contact.peer, error))
                    }
                }, refuse: { _ = outcomes.offer((contact.peer, StreamError(.resourceLimit, $0.message))) })
            self.enqueue(
                job, self.announcements, ifFull: "\(KademliaLimits.waitingAnnouncements) announcements wait already (waitingAnnouncements)")
        }
        let walk = try await self.walk(to: key, asking: KademliaMessage(.findNode, key: key), onEvent: onEvent) { _, _, lookup in
            let step = shortcut.next(lookup.hopes)
            step.tell.forEach(tell)
            return step.isEnough
        }
        guard walk.crowding == nil else { return nil }
        shortcut.rest(walk.lookup.hopes).forEach(tell)
        var storing = KademliaStoring()
        let deadline = self.clock.now().advanced(by: self.configuration.requestTimeout)
        while storing.holders.count < shortcut.returnThreshold, storing.holders.count + storing.refusals.count < sent {
            let outcome = await self.clock.result(by: deadline) { await outcomes.next() }
            guard case .some(.some((let peer, let error))) = outcome else { break }
            if let error {
                storing.refusals.append((peer, error.description))
                onEvent(.refused(peer, reason: error.description))
            } else {
                storing.holders.append(peer)
                onEvent(.stored(peer))
            }
        }
        if Task.isCancelled { throw Self.cancelled }
        return try self.finish(storing, walk, sent: sent, since: startedAt, onEvent)
    }
}
