import NIOCore
import P2PCore
import P2PIdentity
import Synchronization

/// Values: finding, storing, correcting.
extension KademliaNode {
    /// How long peers that had no value, or an old one, are waited for when they are sent the best.
    private static let correctionTime = Duration.seconds(2)

    func value(for key: [UInt8], quorum: Int, onEvent: @escaping EventSink) async throws(KademliaError) -> [UInt8] {
        let validator = try self.configuration.namespaces.validator(for: key)
        let startedAt = self.clock.now()
        let local = self.localValue(for: key, validator)
        var search = ValueSearch(key, validator, local: local)
        if let local { onEvent(.value(local, from: self.ownPeer)) }
        var walk = try await self.walkPastCrowd(to: key, asking: KademliaMessage(.getValue, key: key), onEvent: onEvent) {
            contact, reply, _ in
            guard let record = reply.message.record else { return false }
            do throws(KademliaError) {
                try validator.validate(record.value, for: key, at: WallTime.now.secondsSince1970)
            } catch {
                onEvent(.refused(contact.peer, reason: error.description))
                return false
            }
            if search.add(record.value, from: contact.peer) { onEvent(.value(record.value, from: contact.peer)) }
            return quorum > 0 && search.count >= quorum
        }
        guard let best = search.best else {
            onEvent(.finished(walk.summary))
            throw KademliaError(.notFound, "none of \(walk.lookup.answers) peers has a value under that key")
        }
        self.keepIfKnown(best, for: key, validator)
        let stale = walk.lookup.nearest.filter { !search.hasBest($0.peer) }
        let (holders, _) = await self.send(best, under: key, to: stale, within: Self.correctionTime, onEvent: { _ in })
        walk.summary.messages += stale.count
        walk.summary.found = 1
        walk.summary.duration = .nanoseconds((self.clock.now() - startedAt).nanoseconds)
        for holder in holders { onEvent(.stored(holder)) }
        onEvent(.finished(walk.summary))
        return best
    }

    func put(_ value: [UInt8], for key: [UInt8], onEvent: @escaping EventSink) async throws(KademliaError) -> KademliaStoring {
        let validator = try self.configuration.namespaces.validator(for: key)
        guard value.count <= KademliaLimits.valueSize else {
            throw KademliaError(.invalidValue, "a value of \(value.count) bytes is beyond the limit of \(KademliaLimits.valueSize)")
        }
        try validator.validate(value, for: key, at: WallTime.now.secondsSince1970)
        if let local = self.localValue(for: key, validator), local != value, validator.prefers(local, to: value, for: key) {
            throw KademliaError(.outdated, "this node has a better value under that key")
        }
        self.keep(value, for: key, isOwn: true, validator)
        return try await self.spread(value, under: key, onEvent: onEvent)
    }

    /// Sends a value to those nearest to its key.
    func spread(_ value: [UInt8], under key: [UInt8], onEvent: @escaping EventSink) async throws(KademliaError) -> KademliaStoring {
        let startedAt = self.clock.now()
        let (walk, nearest) = try await self.holders(of: key, onEvent: onEvent)
        var storing = KademliaStoring()
        (storing.holders, storing.refusals) = await self.send(
            value, under: key, to: nearest, within: self.configuration.requestTimeout, onEvent: onEvent)
        return try self.finish(storing, walk, sent: nearest.count, since: startedAt, onEvent)
    }

    /// Says what storing has cost and led to.
    func finish(
        _ storing: KademliaStoring, _ walk: Walk, sent: Int, since startedAt: NIODeadline, _ onEvent: EventSink
    ) throws(KademliaError) -> KademliaStoring {
        var storing = storing
        storing.summary = walk.summary
        storing.summary.messages += sent
        storing.summary.failures += storing.refusals.count
        storing.summary.found = storing.holders.count
        storing.summary.duration = .nanoseconds((self.clock.now() - startedAt).nanoseconds)
        onEvent(.finished(storing.summary))
        guard !storing.holders.isEmpty else {
            let first = storing.refusals.first.map { ": \($0.peer) says \($0.reason)" } ?? ""
            throw KademliaError(.notStored, "none of \(sent) peers has stored it\(first)")
        }
        return storing
    }

    private func send(
        _ value: [UInt8], under key: [UInt8], to peers: [Lookup.Contact], within time: Duration, onEvent: @escaping EventSink
    ) async -> ([PeerID], [(peer: PeerID, reason: String)]) {
        var request = KademliaMessage(.putValue, key: key)
        request.record = KademliaRecord(key: key, value: value)
        return await self.store(at: peers, within: time, onEvent: onEvent) { [request] (contact) throws(StreamError) in
            let reply = try await self.ask(contact, request)
            guard reply.message.record?.value == value else { throw StreamError(.malformed, "the peer has stored another value") }
        }
    }

    /// Stores something with several peers at once, ``KademliaConfiguration/parallelism`` at a time.
    func store(
        at peers: [Lookup.Contact], within time: Duration, onEvent: @escaping EventSink,
        _ body: @escaping @Sendable (Lookup.Contact) async throws(StreamError) -> Void
    ) async -> ([PeerID], [(peer: PeerID, reason: String)]) {
        let clock = self.clock
        let deadline = clock.now().advanced(by: time)
        var holders: [PeerID] = []
        var refusals: [(peer: PeerID, reason: String)] = []
        await withTaskGroup(of: (PeerID, StreamError?).self) { group in
            var waiting = peers[...]
            func next() -> Bool {
                guard let contact = waiting.popFirst() else { return false }
                group.addTask {
                    do throws(StreamError) {
                        let isDone = try await clock.result(by: deadline) { () throws(StreamError) -> Bool in
                            try await body(contact)
                            return true
                        }
                        return (contact.peer, isDone == true ? nil : StreamError(.timedOut, "there was no time left"))
                    } catch {
                        return (contact.peer, error)
                    }
                }
                return true
            }
            for _ in 0..<max(self.configuration.parallelism, self.configuration.replication) { guard next() else { break } }
            while let (peer, error) = await group.next() {
                if let error {
                    refusals.append((peer, error.description))
                    onEvent(.refused(peer, reason: error.description))
                } else {
                    holders.append(peer)
                    onEvent(.stored(peer))
                }
                _ = next()
            }
        }
        return (holders, refusals)
    }

    // MARK: This node's own

    /// The value that this node keeps.
    func keptValue(for key: [UInt8]) -> [UInt8]? {
        let now = self.clock.now()
        return self.state.withLock { $0.values.record(for: key, at: now)?.value }
    }

    /// The value that this node has, if it is valid still: the clock by which that is said may have been set since it came.
    func localValue(for key: [UInt8], _ validator: any RecordValidator) -> [UInt8]? {
        self.keptValue(for: key).flatMap { Self.isValid($0, for: key, validator) ? $0 : nil }
    }

    static func isValid(_ value: [UInt8], for key: [UInt8], _ validator: any RecordValidator) -> Bool {
        (try? validator.validate(value, for: key, at: WallTime.now.secondsSince1970)) != nil
    }

    /// A better value than the one that this node keeps takes its place; what it does not keep it does not begin to.
    private func keepIfKnown(_ value: [UInt8], for key: [UInt8], _ validator: any RecordValidator) {
        guard self.keptValue(for: key) != nil else { return }
        if let local = self.localValue(for: key, validator), !validator.prefers(value, to: local, for: key) { return }
        self.keep(value, for: key, isOwn: false, validator)
    }

    @discardableResult
    func keep(_ value: [UInt8], for key: [UInt8], isOwn: Bool, _ validator: any RecordValidator) -> KademliaRecord? {
        let now = self.clock.now()
        let wall = WallTime.now.secondsSince1970
        var lifetime = ValueStore.lifetime
        if let end = validator.end(of: value, for: key) {
            lifetime = min(lifetime, .seconds(max(0, end.subtractingReportingOverflow(wall).partialValue)))
        }
        let record = KademliaRecord(key: key, value: value, timeReceived: InternetTime(seconds: wall).text)
        return self.change { $0.values.put(record, isOwn: isOwn, for: lifetime, at: now) } ? record : nil
    }
}
