import NIOCore
public import P2PCore
import P2PIdentity
public import P2PMultiaddr
import P2PReachability
import Synchronization

/// Has peers try whether this node is reached from the internet, and announces those of its addresses that are, also such as it only assumes:
/// the asking side of AutoNAT, both versions.
///
/// It tells a ``ReachabilityBoard`` what it learns.
public final class AutoNAT: HostModule, AddressContributing {
    private struct State {
        var board: ReachabilityBoard?
        var tracker = AutoNATTracker()
        /// Who serves AutoNAT, by connection.
        var servers: [ConnectionID: AutoNATTracker.Server] = [:]
        /// Where peers see this node, whichever the port, by connection.
        var seen: [ConnectionID: IPAddress] = [:]
        /// Connections whose peers have introduced themselves.
        var identified: Set<ConnectionID> = []
        /// When the contacts of all connections were noted, and with which ports.
        var notedAll: (at: NIODeadline, ports: Set<ThinWaist.Inner>)?
        var addresses: [Multiaddr] = []
    }

    private static let interval = Duration.seconds(1)
    /// How often all connections are noted to be spoken to, which is remembered for much longer: there may be thousands.
    private static let renewal = TimeAmount.minutes(1)
    private static let serverLimit = 128
    private static let identifiedLimit = 10_000

    private let state = Mutex(State())
    private let room = DialBackRoom()
    private let changes: AddressChanges
    private let change: AsyncStream<[Multiaddr]>.Continuation

    /// Nobody has been asked yet.
    public init() {
        (self.changes, self.change) = AddressChanges.make()
    }

    /// Adds the protocol by which servers of the second version prove that they have dialled, the addresses that are reached, and the task that asks.
    public func join(_ plan: inout HostPlan) async throws {
        self.state.withLock { [board = plan[ReachabilityBoard.self]] in $0.board = board }
        plan.handlers.append(self.room)
        plan.addresses.append(self)
        plan.services.append(HostService("autonat") { host in await self.run(host) })
    }

    /// Those that are known to be reached, without `/p2p`.
    public var addresses: [Multiaddr] { self.state.withLock { $0.addresses } }
    /// Yields the list whenever it changes.
    public var addressChanges: AddressChanges { self.changes }

    private func run(_ host: any HostAccess) async {
        await withDiscardingTaskGroup { group in
            let events = host.events()
            group.addTask { await self.watch(events, host) }
            while !Task.isCancelled {
                for probe in self.look(host) {
                    group.addTask {
                        let outcome = await AutoNATQuestion(probe: probe, host: host, room: self.room).ask()
                        guard !Task.isCancelled else { return }
                        self.state.withLock { $0.tracker.finished(probe, outcome, at: host.clock.now()) }
                    }
                }
                await host.clock.sleep(for: Self.interval)
            }
            group.cancelAll()
        }
    }

    // MARK: Facts

    private func watch(_ events: HostEvents, _ host: any HostAccess) async {
        for await event in events {
            switch event {
            case .connected(let connection): self.connected(connection, host)
            case .identified(let connection, let introduction): self.identified(connection, introduction, host)
            case .disconnected(let connection, _):
                self.state.withLock { state in
                    state.servers[connection.id] = nil
                    state.seen[connection.id] = nil
                    state.identified.remove(connection.id)
                }
            case .lost:
                // Introductions may be among what was lost.
                let living = host.connections.map(\.info.id).prefix(Self.identifiedLimit)
                self.state.withLock { state in
                    state.identified.formUnion(living)
                    state.notedAll = nil
                }
            default: break
            }
        }
    }

    /// Notes whom a port on which this node listens speaks to. QUIC dials from there, TCP only where it was told to.
    private func connected(_ connection: ConnectionInfo, _ host: any HostAccess) {
        guard connection.isDialled, !connection.isLimited else { return }
        self.noteContact(connection, host)
    }

    private func noteContact(_ connection: ConnectionInfo, _ host: any HostAccess) {
        self.noteContacts([connection], host)
    }

    private func noteContacts(_ connections: [ConnectionInfo], _ host: any HostAccess) {
        let listening = Set(host.listenAddresses.compactMap { ThinWaist($0)?.inner })
        let now = host.clock.now()
        self.state.withLock { state in
            for connection in connections {
                guard let ip = connection.remoteAddress.ipAddress, let waist = ThinWaist(connection.localAddress),
                    listening.contains(waist.inner)
                else { continue }
                state.tracker.spoke(to: ip, over: waist.transport, at: now)
            }
        }
    }

    private func identified(_ connection: ConnectionInfo, _ introduction: Introduction, _ host: any HostAccess) {
        guard let ip = connection.remoteAddress.ipAddress?.unmapped, ip.isPublic, !connection.isLimited, !connection.remoteAddress.isRelayed
        else { return }
        let speaksVersion2 = introduction.protocols.contains(AutoNATProtocols.version2Request)
        self.state.withLock { state in
            if state.identified.count < Self.identifiedLimit { state.identified.insert(connection.id) }
            if speaksVersion2 || introduction.protocols.contains(AutoNATProtocols.version1), state.servers.count < Self.serverLimit {
                state.servers[connection.id] = AutoNATTracker.Server(
                    peer: connection.remotePeer, connection: connection.id, ip: ip, speaksVersion2: speaksVersion2)
            }
            guard let observed = introduction.observedAddress?.withoutPeerID, let seen = ThinWaist(observed)?.ip, seen.isPublic else {
                return
            }
            if state.seen.count < Self.serverLimit { state.seen[connection.id] = seen }
            // Where a peer sees whom it has dialled is the address that it has dialled.
            if !connection.isDialled { state.tracker.arrival(from: ip, at: observed, now: host.clock.now()) }
        }
        self.noteContact(connection, host)
    }

    // MARK: Decisions

    /// Tells the tracker what there is now; returns what to ask.
    private func look(_ host: any HostAccess) -> [AutoNATTracker.Probe] {
        let now = host.clock.now()
        let listening = host.listenAddresses
        let ports = Set(listening.compactMap { ThinWaist($0)?.inner })
        let isRenewal = self.state.withLock { state in
            if let noted = state.notedAll, noted.ports == ports, now - noted.at < Self.renewal { return false }
            state.notedAll = (now, ports)
            return true
        }
        if isRenewal { self.noteAll(host) }
        let (announced, observed) = (host.announcedAddresses, host.introductions.observedAddresses)
        let (probes, verdicts, change, board, servers) = self.state.withLock { state in
            let seen = Set(state.seen.values)
            let mapped = Set(state.board?.mappedAddresses ?? [])
            let candidates = Self.candidates(listening: listening, announced: announced, observed: observed, mapped: mapped, seen: seen)
            state.tracker.use(Array(state.servers.values))
            state.tracker.use(candidates, at: now)
            let probes = state.tracker.poll(at: now)
            let verdicts = Self.verdicts(state.tracker.verdicts(at: now), on: candidates.map(\.address))
            let reached = verdicts.filter { $0.state == .reachable }.map(\.address)
            let change = reached == state.addresses ? nil : reached
            state.addresses = reached
            return (probes, verdicts, change, state.board, state.tracker.askedServers)
        }
        if let change { self.change.yield(change) }
        board?.post(verdicts, servers: servers)
        return probes
    }

    /// Notes whom this node has spoken to all the time.
    private func noteAll(_ host: any HostAccess) {
        let identified = self.state.withLock { $0.identified }
        let connections = host.connections.map(\.info)
        let gone = identified.subtracting(connections.map(\.id))
        if !gone.isEmpty { self.state.withLock { $0.identified.subtract(gone) } }
        self.noteContacts(Self.spokenTo(connections, identified: identified), host)
    }

    /// What is connected is spoken to; but whoever has come in counts only once it has introduced itself, for its arrival may be a proof, and where it
    /// came in is known no sooner.
    static func spokenTo(_ connections: [ConnectionInfo], identified: Set<ConnectionID>) -> [ConnectionInfo] {
        connections.filter { $0.remoteAddress.isPublic && !$0.isLimited && ($0.isDialled || identified.contains($0.id)) }
    }

    /// The addresses that this node has or might have, the surest first.
    ///
    /// - Parameter seen: the IP addresses at which peers see it: with the ports on which it listens, for the router may have been told by hand
    ///   to let peers in there.
    static func candidates(
        listening: [Multiaddr], announced: [Multiaddr], observed: [ObservedAddress], mapped: Set<Multiaddr>, seen: Set<IPAddress>
    ) -> [(address: Multiaddr, needsStrangers: Bool)] {
        var candidates: [(address: Multiaddr, needsStrangers: Bool)] = []
        func add(_ address: Multiaddr, _ needsStrangers: Bool) {
            guard address.isPublic, !address.isRelayed, !candidates.contains(where: { $0.address == address }) else { return }
            candidates.append((address, needsStrangers))
        }
        let own = Set(listening.compactMap { $0.ipAddress })
        for address in announced where address.ipAddress.map({ own.contains($0) }) == true || mapped.contains(address) {
            add(address, false)
        }
        for address in mapped.sorted(by: { $0.description < $1.description }) { add(address, false) }
        for address in observed.prefix(8) where address.address.ipAddress.map({ !own.contains($0) }) == true { add(address.address, true) }
        for address in listening where !address.isLoopback && !address.isRelayed {
            guard let ip = address.ipAddress, ip.isIPv4, !ip.isPublic, let endpoint = address.tcpEndpoint ?? address.udpEndpoint else {
                continue
            }
            for outer in seen.sorted(by: { $0.description < $1.description }).prefix(2) where outer.isIPv4 {
                let thin = address.tcpEndpoint == nil ? Multiaddr(ip: outer, udp: endpoint.port) : Multiaddr(ip: outer, tcp: endpoint.port)
                if let assumed = try? Multiaddr(thin.components + endpoint.remainder).withoutPeerID { add(assumed, true) }
            }
        }
        return candidates
    }

    /// A verdict holds for every protocol of a port.
    private static func verdicts(
        _ known: [(address: ThinWaist, state: AutoNATTracker.Verdict, servers: Int, networks: Int, lastError: String?)],
        on addresses: [Multiaddr]
    ) -> [ReachabilityFacts.Verdict] {
        addresses.compactMap { address in
            guard let waist = ThinWaist(address), let verdict = known.first(where: { $0.address == waist }) else { return nil }
            let state: AddressReport.Verdict =
                switch verdict.state {
                case .reachable: .reachable
                case .unreachable: .unreachable
                case .unknown: .unknown
                }
            return ReachabilityFacts.Verdict(
                address: address, state: state, servers: verdict.servers, networks: verdict.networks, lastError: verdict.lastError)
        }
    }
}
