import Logging
import NIOCore
package import P2PCore
import Synchronization

/// What is given up when memory runs short, beside windows and new streams: connections.
extension Swarm {
    /// What was said of streams that were refused for want of memory.
    struct RefusalReport {
        /// As many had been refused at the last line.
        var told = 0
        var log = LogInterval(.seconds(1))
    }

    /// How often connections are looked at while memory is tight, and when there is none left.
    private static let pause = (watching: Duration.milliseconds(50), closing: Duration.milliseconds(10))

    /// Free pages are given back so long after memory use began to fall, by when most of a burst is over, and then not for so long.
    private static let ebb = (delay: Duration.seconds(1), pause: Duration.seconds(2))

    /// Has a ``SwarmJob/relieve`` come whenever memory is tight, and a ``SwarmJob/cleanPages`` when much less is in use than was.
    func watchMemory() {
        self.memory.onAlarm { [weak self] in self?.jobQueue.yield(.relieve) }
        self.memory.tide.onEbb { [weak self] in self?.jobQueue.yield(.cleanPages) }
    }

    /// Gives pages back to the system that were freed in an ebb; returns some seconds later, or when the task is cancelled.
    package func cleanPages() async {
        await self.clock.sleep(self.clock.now().advanced(by: Self.ebb.delay))
        guard !Task.isCancelled else { return }
        self.memory.tide.looked(use: self.memory.use)
        self.giveBackPages()
        await self.clock.sleep(self.clock.now().advanced(by: Self.ebb.pause))
        guard !Task.isCancelled else { return }
        self.memory.tide.watch(use: self.memory.use)
    }

    /// Closes the least valuable connections until there is memory enough; returns when it is tight no more, or the task is cancelled.
    package func relieve() async {
        var relief = MemoryRelief(limits: self.memory.limits)
        var log = LogInterval(.seconds(1))
        var leaving: Set<ConnectionID> = []
        var cleaning = PageCleaning(limit: self.memory.limits.total)
        var worst = MemoryPressure.none
        while !Task.isCancelled {
            let entries = self.holders
            leaving.formIntersection(entries.map(\.info.id))
            let holdings = entries.compactMap { MemoryRelief.Holding($0, isLeaving: leaving.contains($0.info.id)) }
            let victims = relief.victims(among: holdings, use: self.memory.use, at: self.clock.now())
            for victim in victims {
                guard let entry = entries.first(where: { $0.info.id == victim.id }) else { continue }
                self.close(entry, victim.reason, &log)
                leaving.insert(victim.id)
            }
            self.cleanAmongOthers(&cleaning)
            let pressure = self.memory.pressure
            worst = max(worst, pressure)
            self.reportRefusals()
            if victims.isEmpty, !self.hasUntoldRefusals, pressure < .tight, !self.hasHeavyHolders(entries) { break }
            let pause = pressure < .exhausted ? Self.pause.watching : Self.pause.closing
            await self.clock.sleep(self.clock.now().advanced(by: pause))
        }
        // Those who left by themselves have freed pages as well.
        if worst >= .short { self.giveBackPages() }
        self.memory.endAlarm()
        // Who took something since the last look, or was refused, was not heard.
        guard !Task.isCancelled else { return }
        if self.memory.pressure >= .tight || self.hasUntoldRefusals || self.hasHeavyHolders(self.holders) { self.memory.alarm() }
    }

    /// Gives pages back to the system that were freed among others which are in use, once there are many.
    private func cleanAmongOthers(_ cleaning: inout PageCleaning) {
        let now = self.clock.now()
        guard cleaning.isDue(resident: ResidentMemory.bytes, use: self.memory.use, at: now) else { return }
        self.giveBackPages()
        cleaning.cleaned(resident: ResidentMemory.bytes, use: self.memory.use, at: now)
    }

    /// Connections whose memory can be taken back: those that are served, and those on which the gater has not decided.
    private var holders: [ConnectionEntry] { self.connections + self.undecided.withLock { Array($0.values) } }

    /// Every limit of connections, dials and memory, and how near it is.
    package var limitUses: [LimitUse] {
        let (most, refused, dials) = self.table.withLock { ($0.mostDials, $0.refusedDials, $0.dialCount) }
        let (memory, limits, heaviest, network) = (self.memory, self.memory.limits, self.memory.heaviest, self.memory.heaviestNetwork)
        let connections = self.limits.uses
        let ordinary = connections.first { $0.name == "connections" }
        return connections + [
            LimitUse(
                name: "connectionsHigh", limit: self.configuration.limits.watermarks.high, use: ordinary?.use ?? 0,
                peak: ordinary?.peak ?? 0,
                refusals: self.trimmedConnections),
            LimitUse(name: "dials", limit: self.configuration.limits.dials, use: dials, peak: most, refusals: refused),
            LimitUse(
                name: "memory", unit: .bytes, limit: limits.total, use: memory.use, peak: memory.peak,
                refusals: memory.refusals + self.memoryClosings.load(ordering: .relaxed)),
            LimitUse(
                name: "memoryPerPeer", unit: .bytes, limit: limits.perPeer, use: heaviest.now, peak: heaviest.peak,
                refusals: self.shareClosings.load(ordering: .relaxed)),
            LimitUse(
                name: "memoryPerNetwork", unit: .bytes, limit: limits.perNetwork, use: network.now, peak: network.peak,
                refusals: self.networkClosings.load(ordering: .relaxed)),
            LimitUse(
                name: "memoryAllowed", unit: .bytes, limit: limits.allowed, use: memory.useOfAllowed, peak: memory.peakOfAllowed,
                refusals: 0),
            LimitUse(
                name: "memoryKept", unit: .bytes, limit: limits.kept, use: memory.kept, peak: memory.peakOfKept, refusals: memory.forgotten),
        ]
    }

    /// Whether streams were refused that no line has told of.
    private var hasUntoldRefusals: Bool { self.refusals.withLock { self.memory.streamRefusals > $0.told } }

    /// Says that streams are refused, a line a second at most.
    private func reportRefusals() {
        let refusals = self.memory.streamRefusals
        let now = self.clock.now()
        let streams = self.refusals.withLock { state -> Int in
            guard refusals > state.told, state.log.admit(at: now) != nil else { return 0 }
            defer { state.told = refusals }
            return refusals - state.told
        }
        guard streams > 0 else { return }
        self.logger.notice(
            "streams are refused, for their peers hold too much memory",
            metadata: [
                "scope": "peer", "limit": "memoryPerPeer", "value": "\(self.memory.limits.perPeer)",
                "use": "\(self.memory.heaviest.now)",
                "memory": "\(self.memory.use) of \(self.memory.limits.total)", "streams": "\(streams)",
            ])
    }

    /// Whether a peer or a network holds more than it may.
    private func hasHeavyHolders(_ entries: [ConnectionEntry]) -> Bool {
        entries.contains { entry in
            entry.account.map { $0.peerHeld > self.memory.limits.perPeer || $0.crowdedNetwork != nil } ?? false
        }
    }

    private func close(_ entry: ConnectionEntry, _ reason: MemoryRelief.Victim.Reason, _ log: inout LogInterval) {
        switch reason {
        case .share: self.shareClosings.wrappingAdd(1, ordering: .relaxed)
        case .network: self.networkClosings.wrappingAdd(1, ordering: .relaxed)
        case .stuck, .full: self.memoryClosings.wrappingAdd(1, ordering: .relaxed)
        }
        if let suppressed = log.admit(at: self.clock.now()) {
            let limit = self.limit(behind: reason, entry)
            var metadata: Logger.Metadata = [
                "connection": "\(entry.info.id)", "peer": "\(entry.info.remotePeer)", "address": "\(entry.info.remoteAddress)",
                "scope": "\(limit.scope)", "limit": "\(limit.name)", "value": "\(limit.value)",
                "use": "\(limit.use)", "connection_holds": "\(entry.account?.held ?? 0)", "went_forward": "\(reason == .full)",
            ]
            if suppressed > 0 { metadata["more_like_it"] = "\(suppressed)" }
            self.logger.notice("a connection is closed, for it holds too much memory", metadata: metadata)
        }
        self.retire(entry)
        (entry.connection as? any AccountedConnection)?.evict()
        self.jobQueue.yield(.discard(entry, .resourceLimitExceeded))
    }
}

extension Swarm {
    private func limit(
        behind reason: MemoryRelief.Victim.Reason, _ entry: ConnectionEntry
    ) -> (name: String, scope: String, value: Int, use: Int) {
        let limits = self.memory.limits
        switch reason {
        case .share: return ("memoryPerPeer", "peer", limits.perPeer, entry.account?.peerHeld ?? 0)
        case .network:
            let crowded = entry.account?.crowdedNetwork
            return (
                "memoryPerNetwork", crowded.map { "network \($0.network)" } ?? "network",
                crowded.map { limits.limit(of: $0.network) } ?? limits.perNetwork, crowded?.held ?? 0
            )
        case .stuck, .full: return ("memory", "host", limits.total, self.memory.use)
        }
    }
}

extension ConnectionEntry {
    var account: MemoryAccount? { (self.connection as? any AccountedConnection)?.account }
}

extension MemoryRelief.Holding {
    /// What a connection holds; nil when it does not count that.
    init?(_ entry: ConnectionEntry, isLeaving: Bool) {
        guard let account = entry.account else { return nil }
        account.trim()
        self.init(
            id: entry.info.id, peer: entry.info.remotePeer, networks: account.networks, held: account.held, charge: account.charge,
            released: account.released,
            isAllowed: account.isAllowed, isDialled: entry.info.isDialled, isLeaving: isLeaving || entry.closingCode != nil)
    }
}
