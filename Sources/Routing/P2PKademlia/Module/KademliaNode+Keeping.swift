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
    /// How long this node's own values stay written down after their end, in seconds.
    private static let patienceWithClock: Int64 = 30 * 86_400
    /// How long after it failed something is told again.
    private static let retryInterval = Duration.seconds(300)

    // MARK: Coming back

    /// Takes in what was kept, as far as it still holds: values that are valid, providers whose time is not over. Who was in the table is asked before it is again.
    func restore() async {
        await self.countKeys()
        guard let archive = self.configuration.archive else { return }
        // First, since others are answered already: what changes meanwhile is written down, too.
        self.state.withLock { state in
            state.values.keepTouches()
            state.providers.keepTouches()
        }
        let kept = await archive.load()
        let (now, wall) = (self.clock.now(), WallTime.now.secondsSince1970)
        func left(until end: Int64, atMost most: Duration) -> Duration {
            let seconds = end.subtractingReportingOverflow(wall)
            return min(most, .seconds(seconds.overflow ? 0 : max(0, seconds.partialValue)))
        }
        for value in kept.values {
            let (key, bytes) = (value.record.key, value.record.value)
            // What is of no namespace now may be of one at the next start.
            guard let validator = try? self.configuration.namespaces.validator(for: key) else { continue }
            guard (try? validator.validate(bytes, for: key, at: wall)) != nil else {
                // This node's own stays written down for a while: it may be the clock that is wrong.
                if !value.isOwn || wall - Self.patienceWithClock > value.end { self.state.withLock { $0.values.touch(key) } }
                continue
            }
            // What this node has put is its own to keep for as long as it is valid; what others have, for as long as it was to be.
            var lifetime = value.isOwn ? ValueStore.lifetime : left(until: value.end, atMost: ValueStore.lifetime)
            if let end = validator.end(of: bytes, for: key) { lifetime = min(lifetime, left(until: end, atMost: lifetime)) }
            guard lifetime > .zero else {
                self.state.withLock { $0.values.touch(key) }
                continue
            }
            self.change { state in
                // Something may have come meanwhile.
                if let local = state.values.record(for: key, at: now)?.value, !validator.prefers(bytes, to: local, for: key) { return }
                state.values.put(value.record, isOwn: value.isOwn, for: lifetime, at: now, isKept: true)
            }
        }
        for provider in kept.providers where provider.contact.peer != self.ownPeer {
            let lifetime = left(until: provider.end, atMost: ProviderStore.lifetime)
            guard lifetime > .zero else { continue }
            self.change { state in
                let known = state.providers.providers(of: provider.key, at: now)
                guard !known.contains(where: { $0.peer == provider.contact.peer }) else { return }
                state.providers.add(
                    provider.contact.peer, at: provider.contact.addresses, for: provider.key, lifetime: lifetime, now: now,
                    isKept: true)
            }
        }
        self.state.withLock { state in
            state.remembered = kept.members.filter { $0.peer != self.ownPeer }.prefix(KademliaLimits.remembered).map { $0 }
            state.telling = kept.telling
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
        // A node that is cut off writes nothing down, and one that has just begun knows fewer than it did before: those fill up what is left.
        if state.table.changes != state.savedTable, !state.table.isEmpty {
            state.savedTable = state.table.changes
            var members = Array(state.table.nearest(to: self.ownPoint, count: KademliaLimits.remembered))
            let known = Set(members.map(\.peer))
            members += state.remembered.lazy.filter { !known.contains($0.peer) }.prefix(max(0, KademliaLimits.remembered - members.count))
            changes.members = members
        }
        return (changes, max(values.count, keys.count) < Self.keysPerSave)
    }

    // MARK: Telling again

    /// Tells what it provides, and has put, again in time, also over restarts.
    func republish() async {
        if self.configuration.archive != nil { await self.clock.sleep(for: Self.settling) }
        let interval = self.configuration.republishInterval
        var wait = self.firstWait()
        var round = Round(due: self.clock.now())
        while !Task.isCancelled {
            await self.clock.sleep(for: wait)
            if Task.isCancelled { return }
            if round.isDone || self.clock.now() >= round.due { round = Round(due: self.clock.now().advanced(by: interval)) }
            await self.tell(&round)
            let left = max(.zero, Duration.nanoseconds((round.due - self.clock.now()).nanoseconds))
            wait = round.isDone ? left : min(Self.retryInterval, interval)
        }
    }

    /// One time that all is told: what failed is tried again alone, until all of it is due again.
    private struct Round {
        /// When all of it is told again.
        var due: NIODeadline
        /// The last key that was told; nil before the first.
        var last: [UInt8]?
        /// Every key has been told.
        var areKeysDone = false
        /// The keys of values that have reached nobody; nil before the first attempt.
        var values: Set<[UInt8]>?
        var isNoted = false

        var isDone: Bool { self.areKeysDone && self.values?.isEmpty == true }
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

    /// Tells what a round has left.
    private func tell(_ round: inout Round) async {
        if !round.areKeysDone {
            await self.tellKeys(&round)
            if round.areKeysDone { round.due = self.clock.now().advanced(by: self.configuration.republishInterval) }
        }
        // One that all refuse has been told: nothing else has to wait for it.
        var isTold = round.areKeysDone
        var left: Set<[UInt8]> = []
        let own = self.state.withLock { $0.values.own }
        for record in own where !Task.isCancelled && round.values?.contains(record.key) != false {
            guard let validator = try? self.configuration.namespaces.validator(for: record.key),
                (try? validator.validate(record.value, for: record.key, at: WallTime.now.secondsSince1970)) != nil
            else { continue }
            self.keep(record.value, for: record.key, isOwn: true, validator)
            do throws(KademliaError) {
                _ = try await self.spread(record.value, under: record.key, onEvent: { _ in })
            } catch {
                left.insert(record.key)
                if error.code != .notStored { isTold = false }
            }
        }
        round.values = left
        guard isTold, !round.isNoted, !Task.isCancelled, round.last != nil || !own.isEmpty else { return }
        round.isNoted = true
        await self.noteTelling()
    }

    /// Tells the keys that a round has left, part by part; a part that fails is where it goes on the next time.
    private func tellKeys(_ round: inout Round) async {
        do throws(KademliaError) {
            while !Task.isCancelled {
                let keys = try await self.configuration.keystore.keys(after: round.last, upTo: Self.keysPerSweep)
                guard let end = keys.last else {
                    round.areKeysDone = true
                    return
                }
                _ = try await self.sweep(keys)
                round.last = end
            }
        } catch {
            self.logger.notice("what this node provides was not told again", metadata: ["reason": "\(error)"])
        }
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
