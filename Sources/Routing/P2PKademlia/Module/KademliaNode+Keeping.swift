import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// What outlasts the process.
extension KademliaNode {
    /// How often changes are written down: so much a crash may cost.
    private static let saveInterval = Duration.seconds(15)
    /// Keys whose changes are written down at a time.
    private static let keysPerSave = 2_048
    /// Keys of one part of what is told again.
    private static let keysPerSweep = 16_384
    /// How long after it failed something is told again.
    private static let retryInterval = Duration.seconds(300)

    // MARK: Coming back

    /// Takes in what was kept, as far as it still holds: values that are valid, providers whose time is not over. Who was in the table is asked before it is again.
    func restore() async {
        await self.countKeys()
        guard let archive = self.configuration.archive else { return }
        let kept = await archive.load()
        let (now, wall) = (self.clock.now(), WallTime.now.secondsSince1970)
        func left(until end: Int64, atMost most: Duration) -> Duration {
            let seconds = end.subtractingReportingOverflow(wall)
            return min(most, .seconds(seconds.overflow ? 0 : max(0, seconds.partialValue)))
        }
        for value in kept.values {
            let (key, bytes) = (value.record.key, value.record.value)
            guard let validator = try? self.configuration.namespaces.validator(for: key),
                (try? validator.validate(bytes, for: key, at: wall)) != nil
            else { continue }
            // What this node has put is its own to keep for as long as it is valid; what others have, for as long as it was to be.
            var lifetime = value.isOwn ? ValueStore.lifetime : left(until: value.end, atMost: ValueStore.lifetime)
            if let end = validator.end(of: bytes, for: key) { lifetime = min(lifetime, left(until: end, atMost: lifetime)) }
            guard lifetime > .zero else { continue }
            self.change { state in
                // Something may have come meanwhile.
                if let local = state.values.record(for: key, at: now)?.value, !validator.prefers(bytes, to: local, for: key) { return }
                state.values.put(value.record, isOwn: value.isOwn, for: lifetime, at: now)
            }
        }
        for provider in kept.providers where provider.contact.peer != self.ownPeer {
            let lifetime = left(until: provider.end, atMost: ProviderStore.lifetime)
            guard lifetime > .zero else { continue }
            self.change { state in
                let known = state.providers.providers(of: provider.key, at: now)
                guard !known.contains(where: { $0.peer == provider.contact.peer }) else { return }
                state.providers.add(
                    provider.contact.peer, at: provider.contact.addresses, for: provider.key, lifetime: lifetime, now: now)
            }
        }
        self.state.withLock { state in
            state.remembered = kept.members.filter { $0.peer != self.ownPeer }.prefix(KademliaLimits.remembered).map { $0 }
            state.telling = kept.telling
            state.values.keepTouches()
            state.providers.keepTouches()
        }
    }

    // MARK: Writing down

    /// Writes down what changes until it is cancelled, and then what is left.
    func writeDown() async {
        guard self.configuration.archive != nil else { return }
        while !Task.isCancelled {
            await self.clock.sleep(for: Self.saveInterval)
            await self.save()
        }
    }

    /// Writes down what has changed.
    func save() async {
        guard let archive = self.configuration.archive else { return }
        while true {
            let (changes, isLast) = self.state.withLock { state in self.takeChanges(from: &state) }
            if !changes.isEmpty { await archive.save(changes) }
            if isLast { return }
        }
    }

    private func takeChanges(from state: inout State) -> (changes: KademliaChanges, isLast: Bool) {
        let (now, wall) = (self.clock.now(), WallTime.now.secondsSince1970)
        func wallTime(of end: NIODeadline) -> Int64 { wall + max(0, (end - now).nanoseconds / 1_000_000_000) }
        var changes = KademliaChanges()
        let values = state.values.takeTouched(upTo: Self.keysPerSave)
        for key in values {
            changes.values[key] = .some(
                state.values.entry(for: key, at: now).map { entry in
                    KademliaHoldings.Value(record: entry.record, isOwn: entry.isOwn, end: wallTime(of: entry.end))
                })
        }
        let keys = state.providers.takeTouched(upTo: Self.keysPerSave)
        for key in keys {
            changes.providers[key] = state.providers.entries(of: key, at: now).map { contact, end in
                KademliaHoldings.Provider(key: key, contact: contact, end: wallTime(of: end))
            }
        }
        // A node that is cut off, or has just begun, knows less than was known before.
        if state.table.changes != state.savedTable, !state.table.isEmpty {
            state.savedTable = state.table.changes
            changes.members = Array(state.table.nearest(to: self.ownPoint, count: KademliaLimits.remembered))
        }
        return (changes, max(values.count, keys.count) < Self.keysPerSave)
    }

    // MARK: Telling again

    /// Tells what it provides, and has put, again in time, also over restarts.
    func republish() async {
        if self.configuration.archive != nil { await self.clock.sleep(for: Self.settling) }
        var wait = self.firstWait()
        while !Task.isCancelled {
            await self.clock.sleep(for: wait)
            if Task.isCancelled { return }
            let isDone = await self.tellAll()
            wait = isDone ? self.configuration.republishInterval : min(Self.retryInterval, self.configuration.republishInterval)
        }
    }

    /// What is left of the interval that began before the process did; nothing when this node is elsewhere now.
    private func firstWait() -> Duration {
        let interval = self.configuration.republishInterval
        guard self.configuration.archive != nil else { return interval }
        guard let telling = self.state.withLock({ $0.telling }) else { return .zero }
        guard Set(telling.addresses) == Set(self.host.announcedAddresses) else { return .zero }
        let passed = WallTime.now.secondsSince1970.subtractingReportingOverflow(telling.time)
        guard !passed.overflow, passed.partialValue >= 0 else { return .zero }
        return max(.zero, interval - .seconds(passed.partialValue))
    }

    /// How long after the start nothing is told: addresses and peers come first.
    private static let settling = Duration.seconds(60)

    /// - Returns: whether all of it was tried, and some of it has reached somebody.
    private func tellAll() async -> Bool {
        let keystore = self.configuration.keystore
        var (last, isDone, isAnything): ([UInt8]?, Bool, Bool) = (nil, true, false)
        while !Task.isCancelled, let keys = try? await keystore.keys(after: last, upTo: Self.keysPerSweep), let end = keys.last {
            last = end
            isAnything = true
            do throws(KademliaError) {
                _ = try await self.sweep(keys)
            } catch {
                isDone = false
                self.logger.notice("what this node provides was not told again", metadata: ["reason": "\(error)"])
                break
            }
        }
        for record in self.state.withLock({ $0.values.own }) where !Task.isCancelled {
            guard let validator = try? self.configuration.namespaces.validator(for: record.key),
                (try? validator.validate(record.value, for: record.key, at: WallTime.now.secondsSince1970)) != nil
            else { continue }
            isAnything = true
            self.keep(record.value, for: record.key, isOwn: true, validator)
            if (try? await self.spread(record.value, under: record.key, onEvent: { _ in })) == nil { isDone = false }
        }
        if isDone, isAnything, !Task.isCancelled { await self.noteTelling() }
        return isDone
    }

    /// Remembers that everything has been told now.
    private func noteTelling() async {
        let telling = KademliaHoldings.Telling(time: WallTime.now.secondsSince1970, addresses: self.host.announcedAddresses)
        self.state.withLock { $0.telling = telling }
        var changes = KademliaChanges()
        changes.telling = telling
        await self.configuration.archive?.save(changes)
    }
}
