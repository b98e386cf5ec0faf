package import Logging
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr
import Synchronization

/// The connections of a host: dials, arrivals, limits, who may and who may not.
///
/// It owns no task: what has to run is handed over as a ``SwarmJob``.
package final class Swarm: Sendable {
    package let localPeer: PeerID
    package let configuration: SwarmConfiguration
    package let limits: ConnectionLimits
    package let peerstore: WriteBehindPeerstore
    package let events: HostEventBus
    package let observers: HostObservers
    package let clock: HostClock
    /// What connections hold.
    package let memory: HeldMemory
    package let logger: Logger
    /// What has to run. One consumer. Bounded by the limits on connections and dials, and by the listeners.
    package let jobs: AsyncStream<SwarmJob>

    let transports: [any Transport]
    let gater: any ConnectionGater
    /// Whether there is somebody to ask: a question with a deadline is two tasks, and an open gater needs none.
    let asksGater: Bool
    let resolvers: [any AddressResolver]
    let finders: [any PeerFinding]
    let jobQueue: AsyncStream<SwarmJob>.Continuation
    let table = Mutex(ConnectionTable())
    let backOff = Mutex(DialBackOff())
    let experience = Mutex(DialExperience())
    /// Whose connections are being asked whether they live.
    let probes = Mutex(ProbeLedger())
    /// What peers are worth, and which connections go first.
    let trimming = Mutex(TrimState())
    /// Connections that were closed because the host held too much.
    let memoryClosings = Atomic(0)
    /// The same because their peer did.
    let shareClosings = Atomic(0)
    /// The same because their network did.
    let networkClosings = Atomic(0)
    let refusals = Mutex(RefusalReport())
    /// What dials with many silent addresses are lent.
    package let dialPlaces = LentPlaces(limit: SwarmConfiguration.lentAttempts)
    private let listeners = Mutex<[ActiveListener]>([])
    /// Connections that are counted and on which the gater has not decided yet, while it is asked.
    let undecided = Mutex<[ConnectionID: ConnectionEntry]>([:])
    /// What somebody asked to listen on and is being bound, served or bound again, and what ends that.
    private let wanted = Mutex<[(asked: Multiaddr, withdrawn: Signal)]>([])
    private let surroundings: SwarmSurroundings
    /// Gives free pages back to the system.
    let giveBackPages: @Sendable () -> Void
    private let finished = Mutex(ConnectionTraffic())
    /// Fires when no arrival is wanted any more.
    let stopListening = Signal()
    /// Yields when the addresses change that this node listens on.
    private let onAddressChange: @Sendable () -> Void

    package init(localPeer: PeerID, configuration: SwarmConfiguration = SwarmConfiguration(), environment: SwarmEnvironment) {
        self.localPeer = localPeer
        self.configuration = configuration
        self.limits = ConnectionLimits(configuration.limits, known: configuration.known)
        self.transports = environment.transports
        self.gater = environment.gater
        self.asksGater = !(environment.gater is OpenGater)
        self.resolvers = environment.resolvers
        self.finders = environment.finders
        self.peerstore = WriteBehindPeerstore(
            environment.peerstore, clock: environment.clock, memory: environment.memory, logger: environment.logger)
        self.events = environment.events
        self.observers = environment.observers
        self.clock = environment.clock
        self.memory = environment.memory
        self.giveBackPages = environment.giveBackPages
        self.logger = environment.logger
        self.onAddressChange = environment.onAddressChange
        self.surroundings = SwarmSurroundings(clock: environment.clock, networks: environment.networks)
        (self.jobs, self.jobQueue) = AsyncStream.makeStream()
        self.watchMemory()
    }

    // MARK: Life

    /// From now on dials are taken; false when it has run before.
    package func start() -> Bool {
        self.table.withLock { table in
            guard table.phase == .idle else { return false }
            table.phase = .running
            return true
        }
    }

    /// Takes no arrivals and no dials any more and says goodbye on every connection at once; returns when each is
    /// closed, at the latest a moment after `grace`.
    package func shutDown(_ code: ConnectionErrorCode, grace: Duration) async {
        self.refuseAll()
        let entries = self.table.withLock { $0.oldestFirst }
        await withTaskGroup(of: Void.self) { group in
            for entry in entries { group.addTask { await entry.close(code, grace: grace) } }
        }
    }

    /// Nobody comes in any more, and nobody is dialled; the connections that there are go on.
    package func refuseAll() {
        let dials = self.table.withLock { table -> [DialOperation] in
            table.phase = .draining
            return table.allDials
        }
        self.stopListening.fire()
        for dial in dials { self.refuse(dial) }
    }

    /// No job comes any more; those that wait are still handed over.
    package func finishJobs() {
        self.jobQueue.finish()
    }

    /// The owner of the tasks serves no more jobs: whoever still waits for one is told, and what was bound or connected is
    /// closed.
    package func stop() async {
        let (dials, entries) = self.table.withLock { table -> ([DialOperation], [ConnectionEntry]) in
            table.phase = .stopped
            return (table.allDials, table.oldestFirst)
        }
        self.stopListening.fire()
        self.finishJobs()
        for dial in dials { self.refuse(dial) }
        for listener in self.listeners.withLock({ $0 }) { await self.serve(listener) }
        for entry in entries {
            await entry.close(.shutdown, grace: .zero)
            self.ended(entry, reason: ConnectionError(.closed, "this side closed the connection: the host has stopped"))
        }
    }

    private func refuse(_ dial: DialOperation) {
        self.table.withLock { $0.remove(dial) }
        dial.complete(.failure(DialError(.notRunning, "the host is shutting down")))
        dial.abandon()
    }

    // MARK: Connections

    /// The connection that a new stream to the peer uses.
    package func connection(to peer: PeerID) -> ConnectionEntry? { self.table.withLock { $0.connection(to: peer) } }

    /// The connections that new streams to the peer may use, the preferred one first.
    package func connections(to peer: PeerID) -> [ConnectionEntry] { self.table.withLock { $0.connections(to: peer) } }

    /// Whether a connection to the peer lives, also one that is being closed.
    package func isConnected(to peer: PeerID) -> Bool { self.table.withLock { $0.isConnected(to: peer) } }

    package func connection(_ id: ConnectionID) -> ConnectionEntry? { self.table.withLock { $0.connections[id] } }

    /// Every connection, the oldest first.
    package var connections: [ConnectionEntry] {
        self.table.withLock { $0.oldestFirst }
    }

    /// The connection ends, or takes no new streams: it is not reused any more.
    package func retire(_ entry: ConnectionEntry) {
        _ = self.table.withLock { $0.retire(entry) }
    }

    /// The connection's task is over.
    package func ended(_ entry: ConnectionEntry, reason: ConnectionError) {
        let isKnown = self.table.withLock { table in
            defer { table.remove(entry) }
            return table.connections[entry.info.id] != nil
        }
        guard isKnown else { return }
        let traffic = entry.connection.traffic
        self.finished.withLock { total in
            total.bytesIn &+= traffic.bytesIn
            total.bytesOut &+= traffic.bytesOut
        }
        entry.release()
        self.gater.ended(entry.info)
        self.observers.disconnected(entry.info, reason: reason, traffic: traffic)
        self.events.post(.disconnected(entry.info, reason: reason))
        entry.ended.fire()
    }

    /// Bytes of every connection so far, and streams that live now.
    package var traffic: ConnectionTraffic {
        var total = self.finished.withLock { $0 }
        for entry in self.connections {
            let traffic = entry.connection.traffic
            total.bytesIn &+= traffic.bytesIn
            total.bytesOut &+= traffic.bytesOut
            total.streams += traffic.streams
        }
        return total
    }

    /// The network is another one than before: what failed in the last one may work now.
    package func networkChanged() {
        self.backOff.withLock { $0 = DialBackOff() }
        self.experience.withLock { $0.networkChanged() }
    }

    /// Dials that are under way.
    package var dialCount: Int { self.table.withLock { $0.dialCount } }

    static let shuttingDown = TransportError(.closed, "the host is shutting down")

    // MARK: Listening

    /// Where this node listens, without `/p2p`.
    package var listenAddresses: [Multiaddr] { self.listeners.withLock { $0.flatMap(\.addresses) } }

    /// Says which addresses to believe, to tell and to dial where this node is now.
    package var judge: AddressJudge {
        self.surroundings.judge { self.listenAddresses }
    }

    /// Binds an address and has it served.
    package func listen(on address: Multiaddr) async throws(TransportError) -> [Multiaddr] {
        guard self.table.withLock({ $0.takesListeners }) else { throw Self.shuttingDown }
        guard let transport = self.transports.first(where: { $0.canListen(on: address) }) else {
            throw TransportError(.unsupportedAddress, "no transport of this host listens on \(address)")
        }
        // Known before anybody is asked, so that it can be withdrawn at any time from then on.
        let withdrawn = Signal()
        self.wanted.withLock { $0.append((address, withdrawn)) }
        do throws(TransportError) {
            let listener = ActiveListener(
                try await self.bind(address, asked: address, by: transport), requested: address, asked: address, withdrawn: withdrawn)
            guard await self.announce(listener) else { throw Self.shuttingDown }
            self.jobQueue.yield(.listener(listener))
            return listener.addresses
        } catch {
            self.forget(address, withdrawn)
            throw error
        }
    }

    /// Binds an address if the gater agrees.
    ///
    /// - Parameter asked: the address as the application asked for it, which the gater knows.
    private func bind(
        _ address: Multiaddr, asked: Multiaddr, by transport: any Transport
    ) async throws(TransportError) -> any TransportListener {
        try await self.ask(by: self.clock.now().advanced(by: self.configuration.handshakeTimeout)) {
            await self.gater.mayListen(on: asked)
        }
        return try await transport.listen(on: address)
    }

    /// Closes the listeners that were asked for so.
    package func withdraw(_ address: Multiaddr) {
        for wanted in self.wanted.withLock({ $0 }) where wanted.asked == address { wanted.withdrawn.fire() }
    }

    /// Nothing is bound any more for one who asked so; the gater hears of the last.
    private func forget(_ asked: Multiaddr, _ withdrawn: Signal) {
        let isLast = self.wanted.withLock { wanted in
            wanted.removeAll { $0.withdrawn === withdrawn }
            return !wanted.contains { $0.asked == asked }
        }
        if isLast { self.gater.stoppedListening(on: asked) }
    }

    /// Lists a listener and says where it listens; false when it was closed instead.
    private func announce(_ listener: ActiveListener) async -> Bool {
        // The host may have begun to end while the address was bound; whatever is listed here, stop() closes.
        let isListed = self.table.withLock { table in
            guard table.takesListeners else { return false }
            self.listeners.withLock { $0.append(listener) }
            return true
        }
        guard isListed else {
            _ = await self.run(listener)
            return false
        }
        for address in listener.addresses { self.events.post(.listening(address.withPeerID(self.localPeer))) }
        self.surroundings.changed()
        self.onAddressChange()
        return true
    }

    /// Takes arrivals until the host shuts down, or the task is cancelled. A listener that fails is bound again.
    package func serve(_ listener: ActiveListener) async {
        var current = listener
        var revival = ListenerRevival()
        defer { self.forget(listener.asked, listener.withdrawn) }
        while true {
            let isOver = await self.run(current)
            self.listeners.withLock { $0.removeAll { $0 === current } }
            self.update(current, to: [])
            guard !isOver, let next = await self.bindAgain(current, &revival) else { return }
            current = next
        }
    }

    /// Binds the address of a listener that has failed, as soon as the system lets it; nil when no arrival is wanted any more.
    private func bindAgain(_ failed: ActiveListener, _ revival: inout ListenerRevival) async -> ActiveListener? {
        let address = failed.bindAddress
        guard let transport = self.transports.first(where: { $0.canListen(on: address) }) else { return nil }
        var pause = revival.failed(at: self.clock.now())
        while self.takesListeners {
            let deadline = self.clock.now().advanced(by: pause)
            await self.stopListening.cancelling { await failed.withdrawn.cancelling { await self.clock.sleep(deadline) } }
            guard self.takesListeners, !failed.withdrawn.isFired, !Task.isCancelled else { return nil }
            do throws(TransportError) {
                let listener = ActiveListener(
                    try await self.bind(address, asked: failed.asked, by: transport), requested: address, asked: failed.asked,
                    withdrawn: failed.withdrawn)
                return await self.announce(listener) ? listener : nil
            } catch {
                self.logger.log(
                    level: revival.isFirst ? .warning : .debug, "an address can't be listened on again yet",
                    metadata: ["address": "\(address)", "error": "\(error)"])
                guard error.code != .gated else { return nil }
                pause = revival.failed(at: self.clock.now())
            }
        }
        return nil
    }

    private var takesListeners: Bool { !self.stopListening.isFired && self.table.withLock { $0.takesListeners } }

    /// Runs a listener until no arrival is wanted any more, which closes it. Says whether that was so: otherwise it has failed.
    private func run(_ listener: ActiveListener) async -> Bool {
        let hasFailed = Atomic(false)
        let body: @Sendable () async -> Void = {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await addresses in listener.listener.addressChanges { self.update(listener, to: addresses) }
                }
                do {
                    try await listener.listener.run { pending in await self.arrived(pending) }
                } catch is CancellationError {
                    self.logger.trace("a listener was cancelled")
                } catch {
                    hasFailed.store(true, ordering: .relaxed)
                    self.logger.error("a listener failed", metadata: ["error": "\(error)"])
                }
                group.cancelAll()
            }
        }
        await self.stopListening.cancelling { await listener.withdrawn.cancelling(body) }
        return !hasFailed.load(ordering: .relaxed)
    }

    private func update(_ listener: ActiveListener, to addresses: [Multiaddr]) {
        let (added, removed) = listener.update(addresses)
        guard !added.isEmpty || !removed.isEmpty else { return }
        for address in removed { self.events.post(.stoppedListening(address.withPeerID(self.localPeer))) }
        for address in added { self.events.post(.listening(address.withPeerID(self.localPeer))) }
        self.surroundings.changed()
        self.onAddressChange()
    }
}
