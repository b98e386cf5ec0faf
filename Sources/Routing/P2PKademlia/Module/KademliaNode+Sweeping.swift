import NIOCore
import P2PCore
import P2PIdentity
import Synchronization

/// Many keys at once.
extension KademliaNode {
    /// Keys of one announcement's stream.
    private static let keysPerStream = 256

    func provide(all keys: [[UInt8]]) async throws(KademliaError) -> KademliaSweep {
        for key in keys { try Self.check(providerKey: key) }
        try await self.keepProviding(keys)
        return try await self.sweep(keys)
    }

    /// Tells those who are near each of the keys that this node has it, region by region.
    func sweep(_ keys: [[UInt8]]) async throws(KademliaError) -> KademliaSweep {
        let startedAt = self.clock.now()
        guard !self.host.announcedAddresses.isEmpty else {
            throw KademliaError(.noAddresses, "this node listens nowhere that others could be told of")
        }
        var sweep = ProviderSweep(keys, replication: self.configuration.replication)
        var outcome = KademliaSweep()
        var contacts: [PeerID: Lookup.Contact] = [:]
        var stored: Set<[UInt8]> = []
        var failure: KademliaError?
        sweeping: while true {
            if Task.isCancelled { throw Self.cancelled }
            switch sweep.next() {
            case .finished: break sweeping
            case .lookUp(let key):
                outcome.lookups += 1
                do throws(KademliaError) {
                    let walk = try await self.walk(to: key, asking: KademliaMessage(.findNode, key: key), onEvent: { _ in })
                    outcome.messages += walk.summary.messages
                    for contact in walk.lookup.nearest { contacts[contact.peer] = contact }
                    sweep.found(walk.lookup.nearest.map(\.peer))
                } catch {
                    failure = error
                    sweep.found([])
                }
            case .store(let keysOfPeers):
                let batches = keysOfPeers.flatMap { peer, keys -> [(Lookup.Contact, [[UInt8]])] in
                    guard let contact = contacts[peer] else { return [] }
                    return stride(from: 0, to: keys.count, by: Self.keysPerStream).map { start in
                        (contact, Array(keys[start..<min(start + Self.keysPerStream, keys.count)]))
                    }
                }
                outcome.messages += batches.reduce(0) { $0 + $1.1.count }
                await withTaskGroup(of: [[UInt8]]?.self) { group in
                    var waiting = batches[...]
                    func next() {
                        guard let (contact, keys) = waiting.popFirst() else { return }
                        group.addTask {
                            do throws(StreamError) {
                                try await self.tellProvider(of: keys, to: contact)
                                return keys
                            } catch {
                                return nil
                            }
                        }
                    }
                    for _ in 0..<self.configuration.replication { next() }
                    while let done = await group.next() {
                        if let done { stored.formUnion(done) }
                        next()
                    }
                }
                // Regions lie side by side, so those of the last are of use for the next, and all others for none.
                contacts = [:]
            }
        }
        outcome.stored = stored.count
        outcome.duration = .nanoseconds((self.clock.now() - startedAt).nanoseconds)
        if stored.isEmpty, !keys.isEmpty {
            throw failure ?? KademliaError(.notStored, "nobody has taken note of any of \(keys.count) keys")
        }
        return outcome
    }
}
