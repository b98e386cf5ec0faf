import NIOCore
import P2PCore
import P2PIdentity
import Synchronization

/// Providers: finding them, and being one.
extension KademliaNode {
    static func check(providerKey key: [UInt8]) throws(KademliaError) {
        guard (1...KademliaLimits.providerKeyLength).contains(key.count) else {
            throw KademliaError(
                .invalidKey, "the key of providers is a multihash of 1 to \(KademliaLimits.providerKeyLength) bytes, this has \(key.count)")
        }
    }

    func findProviders(of key: [UInt8], count: Int?, onEvent: @escaping EventSink) async throws(KademliaError) -> [KademliaContact] {
        try Self.check(providerKey: key)
        let startedAt = self.clock.now()
        var search = ProviderSearch()
        let now = self.clock.now()
        for provider in self.state.withLock({ $0.providers.providers(of: key, at: now) }) where provider.peer != self.ownPeer {
            if let news = search.add(provider, namedBy: self.ownPeer) { onEvent(.provider(news)) }
        }
        let judge = self.judge
        var walk = try await self.walk(to: key, asking: KademliaMessage(.getProviders, key: key), onEvent: onEvent) { contact, reply in
            for provider in self.believed(reply.message.providers, toldAt: Meeting(reply.connection), judge: judge) {
                let provider = KademliaContact(provider.peer, at: provider.addresses.map(\.address))
                if let news = search.add(provider, namedBy: contact.peer) { onEvent(.provider(news)) }
            }
            return count.map { search.count >= $0 } ?? false
        }
        let found = search.all
        walk.summary.found = found.count
        walk.summary.duration = .nanoseconds((self.clock.now() - startedAt).nanoseconds)
        onEvent(.finished(walk.summary))
        guard !found.isEmpty else { throw KademliaError(.notFound, "none of \(walk.lookup.answers) peers knows who has it") }
        return found
    }

    func provide(_ key: [UInt8], onEvent: @escaping EventSink) async throws(KademliaError) -> KademliaStoring {
        try Self.check(providerKey: key)
        self.state.withLock { _ = $0.ownKeys.insert(key) }
        return try await self.announce(key, onEvent: onEvent)
    }

    func stopProviding(_ key: [UInt8]) {
        self.state.withLock { state in
            state.ownKeys.remove(key)
            state.providers.remove(self.ownPeer, of: key)
        }
    }

    /// Tells those nearest to a key that this node has it.
    func announce(_ key: [UInt8], onEvent: @escaping EventSink) async throws(KademliaError) -> KademliaStoring {
        let startedAt = self.clock.now()
        guard !self.host.announcedAddresses.isEmpty else {
            throw KademliaError(.noAddresses, "this node listens nowhere that others could be told of")
        }
        self.state.withLock { state in
            // Its addresses are those of the moment in which somebody asks.
            _ = state.providers.add(self.ownPeer, at: [], for: key, now: startedAt)
        }
        let (walk, nearest) = try await self.holders(of: key, onEvent: onEvent)
        var storing = KademliaStoring()
        (storing.holders, storing.refusals) = await self.store(
            at: nearest, within: self.configuration.requestTimeout, onEvent: onEvent
        ) { (contact) throws(StreamError) in try await self.tellProvider(of: [key], to: contact) }
        return try self.finish(storing, walk, sent: nearest.count, since: startedAt, onEvent)
    }
}
