import NIOCore
import NIOPosix
public import P2PCore
public import P2PIdentity
public import P2PMultiaddr
public import P2PPolicy
import Synchronization

/// Programs that know nothing of peers reach each other through them: named services, forwards, and exits.
///
/// ```swift
/// let tunnels = Tunnels()
/// try tunnels.serve(try TunnelService("/x/ssh", at: "127.0.0.1:22", access: .peers([friend])))
/// let host = try await PeerHost.standard(modules: .standard.adding(tunnels))
/// ```
///
/// Services may be served before the host runs and while it does; forwards are opened while it runs. When the host ends, they do.
public final class Tunnels: HostModule {
    private struct Served {
        let service: TunnelService
        let running: RunningTunnel
    }

    private struct State {
        var host: (any HostAccess)?
        var group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
        var lastID: UInt64 = 0
        var running: [TunnelID: RunningTunnel] = [:]
        /// Services of bytes and of datagrams, which may have the same names.
        var services: [TunnelName: Served] = [:]
        var datagramServices: [TunnelName: Served] = [:]
        var isExitServed = false
        var isRunning = false
        var isOver = false
    }

    /// What bounds tunnels.
    public let configuration: TunnelConfiguration
    /// What goes wrong: the latest events, where nobody takes them in time.
    public let events: AsyncStream<TunnelEvent>

    let policy: PolicyGate?
    let ledger: TunnelLedger
    let dialer: TunnelDialer
    private let state = Mutex(State())
    private let event: AsyncStream<TunnelEvent>.Continuation
    private let jobs: AsyncStream<@Sendable () async -> Void>
    private let job: AsyncStream<@Sendable () async -> Void>.Continuation
    /// What ``TunnelStatus/Kind/exit`` carries.
    private let exit: RunningTunnel

    /// - Parameter policy: grants peers targets that they name (`tunnel-connect`), and is asked about services of datagrams (`service`). With
    ///   nil, peers reach what is served by name and nothing else. It has to be a module of the host as well.
    public init(_ configuration: TunnelConfiguration = TunnelConfiguration(), policy: PolicyGate? = nil) {
        self.configuration = configuration
        self.policy = policy
        self.ledger = TunnelLedger(configuration)
        self.dialer = TunnelDialer(connectTimeout: configuration.connectTimeout)
        (self.events, self.event) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(256))
        (self.jobs, self.job) = AsyncStream.makeStream()
        self.exit = RunningTunnel(TunnelID(number: 0), .exit)
    }

    /// Serves what there is to serve by then, and runs the rest for as long as the host does.
    public func join(_ plan: inout HostPlan) {
        let handlers = self.state.withLock { state -> [any ProtocolHandler] in
            state.host = plan.host
            state.group = plan.group
            state.isExitServed = self.policy != nil || !state.datagramServices.isEmpty
            let services = state.services.values.map { TunnelServiceHandler(tunnels: self, service: $0.service, running: $0.running) }
            return services + (state.isExitServed ? [TunnelExitHandler(tunnels: self)] : [])
        }
        plan.handlers += handlers
        plan.services.append(HostService("tunnels") { _ in await self.run() })
    }

    private func run() async {
        self.state.withLock { $0.isRunning = true }
        await withDiscardingTaskGroup { group in
            for await job in self.jobs { group.addTask { await job() } }
            // The host ends.
            let running = self.state.withLock { state in
                state.isOver = true
                return Array(state.running.values)
            }
            for tunnel in running + [self.exit] { await tunnel.close() }
            group.cancelAll()
        }
        self.event.finish()
    }

    // MARK: What there is

    /// Every tunnel, in the order of their names.
    public var list: [TunnelStatus] {
        self.state.withLock { Array($0.running.values) }.map(\.status).sorted { $0.id.number < $1.id.number }
    }

    /// What peers that named targets have had; counted apart, since it is no tunnel that could be closed.
    public var exitStatus: TunnelStatus { self.exit.status }

    /// Ends a tunnel and what goes through it.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    public func close(_ id: TunnelID) async -> Bool {
        guard let running = self.state.withLock({ $0.running.removeValue(forKey: id) }) else { return false }
        await running.close()
        return true
    }

    // MARK: Services

    /// Serves a local service to peers from now on.
    ///
    /// - Throws: ``TunnelError`` (`nameTaken`).
    @discardableResult
    public func serve(_ service: TunnelService) throws(TunnelError) -> TunnelID {
        let result = self.state.withLock { state -> Result<(RunningTunnel, (any HostAccess)?, Bool), TunnelError> in
            guard (service.isDatagrams ? state.datagramServices : state.services)[service.name] == nil else {
                return .failure(TunnelError(.nameTaken, "\(service.name) is served already"))
            }
            state.lastID += 1
            let running = RunningTunnel(
                TunnelID(number: state.lastID), .serve, name: service.name, local: service.target, isDatagrams: service.isDatagrams)
            state.running[running.id] = running
            let served = Served(service: service, running: running)
            if service.isDatagrams { state.datagramServices[service.name] = served } else { state.services[service.name] = served }
            let needsExit = service.isDatagrams && !state.isExitServed && state.host != nil
            if needsExit { state.isExitServed = true }
            return .success((running, state.host, needsExit))
        }
        let (running, host, needsExit) = try result.get()
        running.whenClosed { self.serveNoMore(service) }
        // Before there is a host, it is served when the host is made.
        guard let host, !service.isDatagrams || needsExit else { return running.id }
        do throws(StreamError) {
            if service.isDatagrams {
                try host.serve(TunnelExitHandler(tunnels: self))
            } else {
                try host.serve(TunnelServiceHandler(tunnels: self, service: service, running: running))
            }
        } catch {
            self.serveNoMore(service)
            self.state.withLock { _ = $0.running.removeValue(forKey: running.id) }
            throw TunnelError(error.code == .protocolTaken ? .nameTaken : .notRunning, error.message, cause: error)
        }
        return running.id
    }

    private func serveNoMore(_ service: TunnelService) {
        let host = self.state.withLock { state in
            if service.isDatagrams {
                state.datagramServices[service.name] = nil
            } else {
                state.services[service.name] = nil
            }
            return state.host
        }
        if !service.isDatagrams { host?.stopServing(service.name.protocolID) }
    }

    /// The service of that name, if the peer of the connection may know of it.
    func service(
        _ name: TunnelName, isDatagrams: Bool, for connection: ConnectionInfo
    ) -> (service: TunnelService, running: RunningTunnel)? {
        let served = self.state.withLock { (isDatagrams ? $0.datagramServices : $0.services)[name] }
        guard let served, served.service.access.includes(connection.remotePeer) else { return nil }
        return (served.service, served.running)
    }

    /// What counts for targets that peers name.
    var exitTunnel: RunningTunnel { self.exit }

    // MARK: Forwards

    /// Listens, and brings whoever connects to a peer's service, until it is closed or the host ends.
    ///
    /// The peer is dialled when somebody connects, where it is known or found to be, unless there is a connection.
    ///
    /// - Returns: the tunnel's name, and where it listens.
    /// - Throws: ``TunnelError`` (`notBound`, `notRunning`).
    public func forward(_ forward: TunnelForward) async throws(TunnelError) -> (id: TunnelID, listen: TunnelEndpoint) {
        let (host, group, id) = try self.begin()
        guard !forward.isDatagrams else {
            let door = try await DatagramDoor.bind(forward, tunnels: self, host: host, id: id, group: group)
            try await self.keep(door.running) { await door.close() }
            return (id, door.endpoint)
        }
        let listen = Box<(RunningTunnel, TunnelListener)?>(nil)
        let times = self.times()
        let listener = try await TunnelListener.bind(forward.listen, limit: self.configuration.flows, group: group) { channel in
            let pump = TunnelPump(times: times, on: channel.eventLoop)
            try channel.pipeline.syncOperations.addHandler(pump)
            let isStarted = self.start {
                guard let (running, listener) = listen.value else { return pump.cancel() }
                await self.bring(pump, of: listener, through: running, to: forward.peer, host) { () throws(TunnelError) in
                    try await self.reach(forward.peer, at: forward.addresses, host)
                    return try await self.open(forward.name, at: forward.peer, host: host)
                }
            }
            guard isStarted else { throw TunnelError(.notRunning, "the host of these tunnels has ended") }
        }
        let running = RunningTunnel(id, .forward, name: forward.name, local: listener.endpoint, peer: forward.peer)
        listen.value = (running, listener)
        try await self.keep(running) { await listener.close() }
        return (id, listener.endpoint)
    }

    /// Connects to a peer at addresses that somebody named, unless it is connected. A dial that is under way to it is joined.
    func reach(_ peer: PeerID, at addresses: [Multiaddr], _ host: any HostAccess) async throws(TunnelError) {
        guard !addresses.isEmpty else { return }
        // What a relay lends is what was asked for: nobody looks for a better connection first.
        if addresses.allSatisfy(\.isRelayed), Self.lentConnection(to: peer, host) != nil { return }
        do throws(DialError) {
            _ = try await host.connect(to: peer, DialRequest(addresses: addresses))
        } catch {
            throw TunnelError(.peerUnreachable, "there is no connection to \(peer)", cause: error)
        }
    }

    /// A value that is set once, before anybody looks.
    final class Box<Value: Sendable>: Sendable {
        private let content: Mutex<Value>

        init(_ value: Value) { self.content = Mutex(value) }

        var value: Value {
            get { self.content.withLock { $0 } }
            set { self.content.withLock { $0 = newValue } }
        }
    }

    /// A host that runs, and a name for what is to be.
    func begin() throws(TunnelError) -> (any HostAccess, any EventLoopGroup, TunnelID) {
        let begun = self.state.withLock { state -> (any HostAccess, any EventLoopGroup, TunnelID)? in
            guard let host = state.host, !state.isOver else { return nil }
            state.lastID += 1
            return (host, state.group, TunnelID(number: state.lastID))
        }
        guard let begun else { throw TunnelError(.notRunning, "the host of these tunnels does not run") }
        return begun
    }

    /// Lists a tunnel until it is closed; closes it at once when the host has ended meanwhile.
    func keep(_ running: RunningTunnel, whenClosed undo: @escaping @Sendable () async -> Void) async throws(TunnelError) {
        running.whenClosed(undo)
        let isOver = self.state.withLock { state in
            if !state.isOver { state.running[running.id] = running }
            return state.isOver
        }
        guard isOver else { return }
        await running.close()
        throw TunnelError(.notRunning, "the host of these tunnels has ended")
    }

    /// Has the host run something to its end.
    ///
    /// - Returns: false when the host has ended, and nothing runs.
    func start(_ job: @escaping @Sendable () async -> Void) -> Bool {
        if case .terminated = self.job.yield(job) { return false }
        return true
    }

    func tell(_ running: RunningTunnel, _ peer: PeerID?, _ error: any Error) {
        let error = error as? TunnelError ?? TunnelError(.failed, "\(error)", cause: error)
        self.event.yield(.failed(running.id, peer, error))
    }

    /// Brings one connection of a program through a tunnel, to its end.
    func bring(
        _ pump: TunnelPump, of listener: TunnelListener, through running: RunningTunnel, to peer: PeerID, _ host: any HostAccess,
        _ open: () async throws(TunnelError) -> PeerStream
    ) async {
        do {
            let place = try await self.ledger.admit(peer, to: running.traffic)
            try await running.whileOpen(cancel: { pump.cancel() }) {
                let stream: PeerStream
                do throws(TunnelError) {
                    stream = try await open()
                } catch {
                    running.traffic.countRefusal()
                    throw error
                }
                place.opened()
                let hold = await self.finishHold(for: peer, host)
                let moved = try await pump.moved(to: stream.muxed.home) { listener.takePlace() }
                try await moved.run(stream, place, finishHold: hold)
            }
        } catch {
            pump.cancel()
            self.tell(running, peer, error)
        }
    }

    // MARK: Streams

    /// A stream to a peer's service, for a program that speaks for itself.
    ///
    /// That the peer does not serve it shows at the first read, as ``StreamError/Code/protocolNotSupported``.
    ///
    /// - Parameter addresses: where the peer may be: it is dialled there unless it is connected. None: where the host knows it to be.
    public func open(_ name: TunnelName, at peer: PeerID, addresses: [Multiaddr] = []) async throws(TunnelError) -> PeerStream {
        let (host, _, _) = try self.begin()
        try await self.reach(peer, at: addresses, host)
        return try await self.open(name, at: peer, host: host)
    }

    func open(_ name: TunnelName, at peer: PeerID, host: any HostAccess) async throws(TunnelError) -> PeerStream {
        try await self.openStream(name.protocolID, at: peer, host: host)
    }

    private func openStream(_ protocolID: ProtocolID, at peer: PeerID, host: any HostAccess) async throws(TunnelError) -> PeerStream {
        do throws(StreamError) {
            return try await StreamError.within(self.configuration.openTimeout, on: host.clock, "opening a stream") {
                () throws(StreamError) in
                guard let lent = Self.lentConnection(to: peer, host) else {
                    return try await host.openStream(to: peer, protocols: [protocolID])
                }
                do throws(StreamError) {
                    return try await host.openStream(on: lent, protocols: [protocolID])
                } catch  where error.code == .connectionLost && !Task.isCancelled {
                    return try await host.openStream(to: peer, protocols: [protocolID])
                }
            }
        } catch {
            throw TunnelError(streamFailure: error)
        }
    }

    /// A connection that a relay lends, where there is no other: a tunnel goes over it as far as the relay's limits allow, while the host looks for a better one.
    private static func lentConnection(to peer: PeerID, _ host: any HostAccess) -> ConnectionID? {
        let connections = host.connections(to: peer)
        guard let newest = connections.last, connections.allSatisfy(\.info.isLimited) else { return nil }
        return newest.id
    }

    /// Has a peer connect what is asked for; the stream is the tunnel then.
    func open(_ request: TunnelOpen, at peer: PeerID, host: any HostAccess) async throws(TunnelError) -> PeerStream {
        let stream = try await self.openStream(TunnelExitHandler.protocolID, at: peer, host: host)
        let answer: ByteBuffer?
        do throws(StreamError) {
            answer = try await StreamError.within(self.configuration.openTimeout, on: host.clock, "the peer's answer") {
                () throws(StreamError) in
                try await stream.writeMessage(request.encoded)
                return try await stream.readMessage(upTo: TunnelResult.maximumSize)
            }
        } catch {
            stream.reset()
            throw TunnelError(streamFailure: error)
        }
        guard let answer, let result = try? TunnelResult(answer) else {
            stream.reset(.protocolViolation)
            throw TunnelError(.failed, "the peer's answer is none")
        }
        if let error = result.error {
            stream.reset()
            throw error
        }
        return stream
    }

    /// What a flow keeps to.
    ///
    /// - Parameter idle: what a peer asks for.
    func times(idle: Duration? = nil) -> TunnelCourse.Times {
        TunnelCourse.Times(
            idle: self.configuration.streamSilence(asked: idle).map { TimeAmount($0) },
            halfClosedIdle: TimeAmount(self.configuration.halfClosedIdle))
    }

    /// For how long an end is kept from a peer: kubo closes both directions at the first.
    func finishHold(for peer: PeerID, _ host: any HostAccess) async -> TimeAmount? {
        guard let agent = await host.introductions.knownIntroduction(of: peer)?.agentVersion,
            agent.hasPrefix("kubo/") || agent.hasPrefix("go-ipfs/")
        else { return nil }
        return TimeAmount(self.configuration.finishHold)
    }
}
