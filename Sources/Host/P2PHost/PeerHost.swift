public import Logging
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

    let identity: any IdentityKey
    let swarm: Swarm
    let registry = ProtocolRegistry()
    let negotiations: PendingNegotiations
    let tasks = Atomic<Int>(0)
    let observed: Mutex<ObservedAddresses>
    let ownRecord: OwnRecord
    let changes: IntroductionChanges
    let started = Signal()
    let shutdownRequested = Signal()
    let keeper = ConnectionKeeper()
    let logger: Logger

    /// - Parameters:
    ///   - identity: signs for the node; its public half names it.
    ///   - transports: the first that takes an address gets it.
    ///   - gater: decides who may connect. What it has not decided when the time for the handshakes is over is refused; it is
    ///     cancelled then, and has to return.
    ///   - peerstore: remembers peers; nil keeps them in memory. It is written behind: neither dials nor connections wait for it.
    ///   - resolver: looks up `/dnsaddr/…`; nil fails such dials.
    public convenience init(
        identity: any IdentityKey, transports: [any Transport], configuration: HostConfiguration = HostConfiguration(),
        gater: any ConnectionGater = OpenGater(), peerstore: (any Peerstore)? = nil, resolver: (any AddressResolver)? = nil,
        logger: Logger = Logger(label: "p2p")
    ) {
        self.init(
            identity: identity, transports: transports, configuration: configuration, gater: gater, peerstore: peerstore,
            resolver: resolver, clock: .system, logger: logger)
    }

    package init(
        identity: any IdentityKey, transports: [any Transport], configuration: HostConfiguration = HostConfiguration(),
        gater: any ConnectionGater = OpenGater(), peerstore: (any Peerstore)? = nil, resolver: (any AddressResolver)? = nil,
        clock: HostClock, logger: Logger = Logger(label: "p2p")
    ) {
        let changes = IntroductionChanges()
        self.identity = identity
        self.peerID = PeerID(identity.publicKey)
        self.configuration = configuration
        self.logger = logger
        self.changes = changes
        self.ownRecord = OwnRecord(identity: identity)
        self.observed = Mutex(ObservedAddresses(observersNeeded: configuration.observersNeeded))
        self.negotiations = PendingNegotiations(timeout: configuration.negotiationTimeout, clock: clock)
        var environment = SwarmEnvironment(transports: transports, peerstore: peerstore ?? MemoryPeerstore(clock: clock), logger: logger)
        environment.gater = gater
        environment.resolvers = resolver.map { [$0] } ?? []
        environment.clock = clock
        environment.onAddressChange = { changes.post() }
        self.swarm = Swarm(
            localPeer: PeerID(identity.publicKey),
            configuration: SwarmConfiguration(limits: configuration.limits, handshakeTimeout: configuration.handshakeTimeout),
            environment: environment)
    }

    /// What this node knows of others: the peerstore that it was given, with what it has just learnt.
    public var peerstore: any Peerstore { self.swarm.peerstore }

    // MARK: Protocols

    /// Serves a protocol from now on.
    ///
    /// - Throws: ``HostError`` (`.protocolTaken`) when another handler serves one of its names;
    ///   ``HostError`` (`.invalidProtocol`) when it has none.
    public func register(_ handler: any ProtocolHandler) throws(HostError) {
        try self.registry.register(handler)
        self.changes.post()
    }

    /// Tells `greeting` of every connection from now on.
    public func register(greeting: any ConnectionGreeting) {
        self.registry.register(greeting: greeting)
    }

    /// Runs `body` for as long as the host runs, in a task of its own that is cancelled at the end. Call before ``run()``.
    public func runAlongside(_ body: @escaping @Sendable (any StreamOpening) async -> Void) {
        self.registry.register(companion: body)
    }

    // MARK: Addresses

    /// Binds an address, before ``run()`` or during it; arrivals are served by ``run()``, which also closes the address at
    /// its end.
    ///
    /// - Returns: the real addresses, with `/p2p`.
    public func listen(on address: Multiaddr) async throws(TransportError) -> [Multiaddr] {
        try await self.swarm.listen(on: address).map { $0.withPeerID(self.peerID) }
    }

    /// Where this node listens, with `/p2p`.
    public var listenAddresses: [Multiaddr] {
        self.swarm.listenAddresses.map { $0.withPeerID(self.peerID) }
    }

    // MARK: Connections

    /// Connects to a peer, or returns the connection that there is. Dials to the same peer share one connection.
    ///
    /// - Parameters:
    ///   - addresses: where it may be, with or without `/p2p`; when empty, where it is known to be.
    ///   - timeout: for everything, ``HostConfiguration/dialTimeout`` if nil.
    /// - Throws: what was tried at each address, and why it failed; ``DialError/Code/notRunning`` outside of ``run()``.
    public func dial(_ peer: PeerID, at addresses: [Multiaddr] = [], timeout: Duration? = nil) async throws(DialError) -> ConnectionInfo {
        try await self.swarm.dial(peer, DialRequest(addresses: addresses), deadline: self.deadline(timeout)).info
    }

    /// Connects to the peer that the address names.
    ///
    /// - Parameter address: with `/p2p`.
    /// - Throws: ``DialError/Code/peerRequired`` without.
    public func dial(_ address: Multiaddr, timeout: Duration? = nil) async throws(DialError) -> ConnectionInfo {
        guard let peer = address.peerID else {
            throw DialError(.peerRequired, "\(address) does not say which peer to expect: add /p2p/ and its id")
        }
        return try await self.dial(peer, at: [address], timeout: timeout)
    }

    /// Connects to whoever answers at the address. Nothing protects from a stranger in between; meant for first contacts.
    public func dialAnyPeer(at address: Multiaddr, timeout: Duration? = nil) async throws(DialError) -> ConnectionInfo {
        if let peer = address.peerID { return try await self.dial(peer, at: [address], timeout: timeout) }
        return try await self.swarm.dialAnyPeer(DialRequest(addresses: [address]), deadline: self.deadline(timeout)).info
    }

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
    public func connections() -> [ConnectionInfo] { self.swarm.connections.map(\.info) }

    /// What happens from now on. Bounded: a slow subscriber is told how many events it lost.
    public func events() -> HostEvents { self.swarm.events.subscribe() }

    /// What this node holds now.
    public func statistics() -> HostStatistics {
        let traffic = self.swarm.traffic
        let counts = self.swarm.limits.counts
        return HostStatistics(
            connections: counts.connections, streams: traffic.streams, pending: counts.pendingInbound, dials: self.swarm.dialCount,
            tasks: self.tasks.load(ordering: .relaxed), bytesIn: traffic.bytesIn, bytesOut: traffic.bytesOut)
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
