import Logging
import NIOCore
public import P2PCore
public import P2PIdentity
public import P2PMultiaddr
import P2PNegotiation
import P2PSwarm
import Synchronization

/// A node: it has an identity, listens, dials peers, and serves protocols over streams.
///
/// ``run()`` owns everything that it does; before it there are no connections, after it there are none left.
public final class PeerHost: Sendable {
    /// The name of this node.
    public let peerID: PeerID
    /// What it was told.
    public let configuration: HostConfiguration

    let swarm: Swarm
    let registry: ProtocolRegistry
    let introductions: HostIntroductions
    let negotiations: PendingNegotiations
    let tasks = Atomic<Int>(0)
    /// Of streams of peers that were refused.
    let refusals = Mutex(LogInterval(.seconds(1)))
    let changes: NewestBroadcast<Void>
    let started = Signal()
    let shutdownRequested = Signal()
    let modulesEnded = Signal()
    let keeper = ConnectionKeeper()
    let windowBudget: MemoryBudget
    let discovery: [any Discovery]
    let services: [HostService]
    /// Asked about each stream; usually nobody.
    let streamGaters: [any StreamGater]
    /// Hear what happens; usually nobody.
    let observers: HostObservers
    /// What protocols have carried; nil where nobody wants to know.
    let traffic: ProtocolTrafficTable?
    /// What modules and connections hold of this host.
    let link: HostLink
    let logger: Logger

    /// A host of a plan that every module has joined.
    ///
    /// - Throws: ``CodedFailure/Code/protocolTaken``, ``CodedFailure/Code/invalidProtocol``.
    init(
        _ plan: HostPlan, link: HostLink, gater: EveryGater, configuration: HostConfiguration, peerstore: (any Peerstore)?
    ) throws(HostError) {
        let changes = NewestBroadcast<Void>()
        let registry = ProtocolRegistry()
        gater.add(plan.gaters)
        var environment = SwarmEnvironment(
            transports: plan.transports, peerstore: peerstore ?? MemoryPeerstore(clock: link.clock), logger: plan.logger)
        environment.gater = gater.isOpen ? OpenGater() : gater
        environment.resolvers = plan.resolvers
        environment.finders = plan.finders
        environment.clock = link.clock
        environment.observers = HostObservers(plan.observers)
        environment.memory = plan.windowBudget.held
        environment.networks = plan.localNetworks
        environment.onAddressChange = { changes.post() }
        var swarmConfiguration = SwarmConfiguration(limits: configuration.limits, handshakeTimeout: configuration.handshakeTimeout)
        swarmConfiguration.known = configuration.networks
        let swarm = Swarm(localPeer: plan.peerID, configuration: swarmConfiguration, environment: environment)
        self.peerID = plan.peerID
        self.configuration = configuration
        self.logger = plan.logger
        self.changes = changes
        self.registry = registry
        self.swarm = swarm
        self.introductions = HostIntroductions(
            identity: plan.identity, configuration: configuration, swarm: swarm, registry: registry, contributors: plan.addresses,
            changes: changes)
        self.negotiations = PendingNegotiations(timeout: configuration.negotiationTimeout, clock: link.clock)
        self.windowBudget = plan.windowBudget
        self.discovery = plan.discovery
        self.services = plan.services
        self.streamGaters = plan.streamGaters
        self.observers = environment.observers
        self.traffic = environment.observers.isEmpty ? nil : ProtocolTrafficTable()
        self.link = link
        for handler in plan.handlers { try registry.register(handler) }
        for greeting in plan.greetings { registry.register(greeting: greeting) }
        link.bind(self)
    }

    /// What this node knows of others: the peerstore that it was given, with what it has just learnt.
    public var peerstore: any Peerstore { self.swarm.peerstore }

    /// Where its time comes from.
    public var clock: HostClock { self.link.clock }

    // MARK: Protocols

    /// Serves a protocol from now on.
    ///
    /// - Throws: ``HostError`` (`.protocolTaken`) when another handler serves one of its names;
    ///   ``HostError`` (`.invalidProtocol`) when it has none.
    public func serve(_ handler: any ProtocolHandler) throws(HostError) {
        try self.registry.register(handler)
        self.changes.post()
    }

    /// Serves a protocol with a closure from now on: a task for each stream. When the closure returns, the stream is finished; when it
    /// throws, the stream is reset.
    ///
    /// ```swift
    /// try host.serve("/shout/1.0.0") { stream, connection in
    ///     try await stream.write(text: try await stream.readText(upTo: 1_024).uppercased())
    /// }
    /// ```
    ///
    /// - Throws: ``CodedFailure/Code/protocolTaken`` when another handler serves it; ``CodedFailure/Code/invalidProtocol`` for a name that can't
    ///   be negotiated.
    public func serve(
        _ protocolIDs: ProtocolID..., limits: StreamLimits = StreamLimits(),
        with body: @escaping @Sendable (_ stream: PeerStream, _ connection: PeerConnection) async throws -> Void
    ) throws(HostError) {
        try self.serve(ClosureHandler(protocolIDs, limits: limits, body: body))
    }

    /// Serves that protocol, and what else its handler serves, no more. Streams that there are live on.
    public func stopServing(_ protocolID: ProtocolID) {
        if self.registry.unregister(protocolID) { self.changes.post() }
    }

    // MARK: Addresses

    /// Binds an address, before ``run()`` or during it; arrivals are served by ``run()``, which also closes the address at
    /// its end.
    ///
    /// Before, where modules dial by themselves, such as to bootstrap peers: QUIC, and TCP where it is of use, dial from a port that listens,
    /// and so routers keep that one open, and peers tell where it is seen. What was dialled sooner left from another.
    ///
    /// - Returns: the real addresses, with `/p2p`.
    public func listen(on address: Multiaddr) async throws(TransportError) -> [Multiaddr] {
        try await self.swarm.listen(on: address).map { $0.withPeerID(self.peerID) }
    }

    /// Binds addresses, such as those of both families, one after the other; see `listen(on:)` for one. What this host has no family for
    /// is left out, logged, and an event (``HostEvent/leftOut(_:error:)``), as long as anything remains.
    ///
    /// - Throws: whatever else is wrong with an address, ``TransportError/Code/addressInUse`` for instance; those before it stay bound.
    ///   ``TransportError/Code/familyMissing`` when nothing remains.
    public func listen(on addresses: [Multiaddr]) async throws(TransportError) -> ListenOutcome {
        var outcome = ListenOutcome()
        for address in addresses {
            do throws(TransportError) {
                outcome.addresses += try await self.listen(on: address)
            } catch  where error.code == .familyMissing {
                outcome.leftOut.append(ListenOutcome.Omission(address: address, error: error))
            }
        }
        if outcome.addresses.isEmpty, let first = outcome.leftOut.first {
            guard outcome.leftOut.count > 1 else { throw first.error }
            let all = outcome.leftOut.map(\.address.description).joined(separator: ", ")
            throw TransportError(
                .familyMissing, "there is nothing to listen on: this host has no family for any of \(all)", cause: first.error)
        }
        for omission in outcome.leftOut {
            self.logger.notice("an address is left out", metadata: ["address": "\(omission.address)", "reason": "\(omission.error)"])
            self.swarm.events.post(.leftOut(omission.address, error: omission.error))
        }
        return outcome
    }

    /// Where this node listens, with `/p2p`.
    public var listenAddresses: [Multiaddr] {
        self.swarm.listenAddresses.map { $0.withPeerID(self.peerID) }
    }

    // MARK: Connections

    /// Connects to a peer, or returns the connection that there is. Dials to the same peer share one connection.
    ///
    /// - Parameters:
    ///   - addresses: where it may be, with or without `/p2p`; when empty, where it is known or found to be.
    ///   - timeout: for everything, ``HostConfiguration/dialTimeout`` if nil.
    /// - Throws: what was tried at each address, and why it failed; ``DialError/Code/notRunning`` outside of ``run()``.
    public func connect(
        to peer: PeerID, at addresses: [Multiaddr] = [], timeout: Duration? = nil
    ) async throws(DialError) -> PeerConnection {
        try await self.connect(to: peer, DialRequest(addresses: addresses, timeout: timeout))
    }

    /// Connects to a peer as the request says.
    public func connect(to peer: PeerID, _ request: DialRequest) async throws(DialError) -> PeerConnection {
        self.handle(try await self.swarm.dial(peer, request, deadline: self.deadline(request.timeout)))
    }

    /// Connects to the peer that the address names.
    ///
    /// - Parameter address: with `/p2p`.
    /// - Throws: ``DialError/Code/peerRequired`` without.
    public func connect(to address: Multiaddr, timeout: Duration? = nil) async throws(DialError) -> PeerConnection {
        guard let peer = address.peerID else {
            throw DialError(
                .peerRequired,
                "\(address) does not say which peer to expect: add /p2p/ and its id, or use connect(toAnyPeerAt:) for whoever answers")
        }
        return try await self.connect(to: peer, at: [address], timeout: timeout)
    }

    /// Connects to whoever answers at the address, or to the peer that it names, if it does. Nothing protects from a stranger in between;
    /// meant for first contacts.
    public func connect(toAnyPeerAt address: Multiaddr, timeout: Duration? = nil) async throws(DialError) -> PeerConnection {
        if address.peerID != nil { return try await self.connect(to: address, timeout: timeout) }
        return self.handle(try await self.swarm.dialAnyPeer(DialRequest(addresses: [address]), deadline: self.deadline(timeout)))
    }

    private func handle(_ entry: ConnectionEntry) -> PeerConnection { PeerConnection(entry.info, of: self.link) }

    private func deadline(_ timeout: Duration?) -> NIODeadline {
        self.swarm.clock.now().advanced(by: timeout ?? self.configuration.dialTimeout)
    }

    /// Closes every connection to the peer; returns when they are gone, handlers included.
    ///
    /// - Parameter grace: how long its streams may still go on.
    public func disconnect(_ peer: PeerID, code: ConnectionErrorCode = .normal, grace: Duration = .zero) async {
        let entries = self.swarm.connections.filter { $0.info.remotePeer == peer }
        await withTaskGroup(of: Void.self) { group in
            for entry in entries {
                group.addTask { await self.disconnect(entry, code: code, grace: grace) }
            }
        }
    }

    /// Closes one connection; returns when it is gone, handlers included.
    public func disconnect(_ connection: ConnectionID, code: ConnectionErrorCode = .normal, grace: Duration = .zero) async {
        guard let entry = self.swarm.connection(connection) else { return }
        await self.disconnect(entry, code: code, grace: grace)
    }

    private func disconnect(_ entry: ConnectionEntry, code: ConnectionErrorCode, grace: Duration) async {
        self.swarm.retire(entry)
        await entry.close(code, grace: grace)
        await entry.ended.wait()
    }

    /// Runs tasks on a connection's event loop, for whoever wants the lowest latency and returns quickly; nil once it has ended.
    public func executor(of connection: ConnectionID) -> (any TaskExecutor)? {
        self.swarm.connection(connection)?.connection.executor
    }

    /// Every connection that lives, the oldest first.
    public func connections() -> [PeerConnection] { self.swarm.connections.map(self.handle) }

    /// The connection of that number; nil when it is over.
    public func connection(_ id: ConnectionID) -> PeerConnection? { self.swarm.connection(id).map(self.handle) }

    /// The connections to a peer that take new streams: those that no relay limits first, then the oldest. One that is being closed is among all
    /// connections still, and not here.
    public func connections(to peer: PeerID) -> [PeerConnection] { self.swarm.connections(to: peer).map(self.handle) }

    /// Whether there is a connection to a peer, also one that is being closed.
    public func isConnected(to peer: PeerID) -> Bool { self.swarm.isConnected(to: peer) }

    /// What happens from now on. Bounded: a slow subscriber is told how many events it lost.
    public func events() -> HostEvents { self.swarm.events.subscribe() }

    /// What this node holds now.
    public func statistics() -> HostStatistics {
        let traffic = self.swarm.traffic
        let counts = self.swarm.limits.counts
        return HostStatistics(
            connections: counts.connections, streams: traffic.streams, pending: counts.pendingInbound, dials: self.swarm.dialCount,
            tasks: self.tasks.load(ordering: .relaxed), bytesIn: traffic.bytesIn, bytesOut: traffic.bytesOut,
            heldBytes: self.swarm.memory.use + self.swarm.memory.useOfAllowed)
    }

    /// Every limit of connections, dials and memory: its value, how near it is, how near it has been, and how often it refused. The names are those
    /// of the settings in ``HostConfiguration/limits``, and `windowBudget`.
    public func limits() -> [LimitUse] {
        let windows = self.windowBudget
        return self.swarm.limitUses + [
            LimitUse(
                name: "windowBudget", unit: .bytes, limit: windows.limit, use: windows.reserved, peak: windows.peak,
                refusals: windows.refusals)
        ]
    }

    /// What this node holds now and has counted so far, in one. It looks at every connection: for seconds, not for milliseconds.
    public func sample() -> HostSample {
        HostSample(
            statistics: self.statistics(), limits: self.limits(),
            queues: [
                QueueDepth(name: "negotiations", depth: self.negotiations.count),
                QueueDepth(name: "peerstore", depth: self.swarm.peerstore.waiting, limit: WriteBehindPeerstore.limit),
            ],
            protocols: self.traffic?.counts ?? [],
            connections: self.swarm.connections.map { ConnectionSample($0.info, traffic: $0.connection.traffic) })
    }

    /// Returns once ``run()`` takes dials, or the task is cancelled: for whoever starts the host in a task of its own.
    public func waitUntilRunning() async {
        await self.started.wait()
    }

    /// Begins a graceful shutdown: ``run()`` says goodbye to every peer, lets streams end, and returns. Called before
    /// ``run()``, it makes that close what was bound and return.
    public func shutDown() {
        self.shutdownRequested.fire()
    }
}
