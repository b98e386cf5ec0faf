import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// One table at work: its values behind a lock, and the host through which it asks and answers.
final class KademliaNode: Sendable {
    struct State {
        var table: RoutingTable
        var values: ValueStore
        var providers: ProviderStore
        /// Who was in the table when the process ended.
        var remembered: [KademliaContact] = []
        /// When this node last told all that it provides.
        var telling: KademliaHoldings.Telling?
        /// ``RoutingTable/changes`` when it was last written down; nil when that is not what should be.
        var savedTable: Int? = 0
        /// Bytes that the host's memory has been charged.
        var charged = 0
        var size = NetworkSize()
        var isServer = false
        /// Fires when it serves no more, so that streams of requests end.
        var endOfServing = Signal()
        /// Peers that are asked now, and how often: a dial of theirs does not come back here to be looked up.
        var asking: [PeerID: Int] = [:]
        /// Newcomers that are being checked.
        var checks: Set<PeerID> = []
        /// Fires when somebody is in the table.
        var hasPeers = Signal()
        /// Fires when this node has looked its own place up for the first time; nil afterwards, and for one that does not run.
        var joining: Signal?
        /// Streams for the next request; nil for a node that does not run, which keeps none.
        var kept: KeptStreams?
        /// The log has been told that the host's limits are too low for a server.
        var isShortOfRoom = false
        /// No look-up of a sequence begins any more.
        var isOver = false
        var judge: (judge: AddressJudge, until: NIODeadline)?
        var statistics = KademliaStatistics()

        /// Bytes that the table and its stores take up, roughly.
        var held: Int { self.values.bytes + self.providers.bytes + self.table.count * KademliaLimits.entrySize }
    }

    /// How long the networks of this machine are believed to stay as they are.
    private static let judgeLifetime = Duration.seconds(2)
    /// How long a look-up waits for the first peer of the network.
    static let patienceForPeers = Duration.seconds(10)
    /// The same once those that it was told of have not answered.
    private static let patienceWithoutBootstrap = Duration.seconds(1)

    let configuration: KademliaConfiguration
    let ownPeer: PeerID
    let ownPoint: KademliaPoint
    let host: any HostAccess
    let logger: Logger
    /// What peers make the host hold; nil for one that bounds nothing.
    private let memory: HeldMemory?
    /// What the table holds of it.
    let account: MemoryAccount?
    private let networks: @Sendable () -> LocalNetworks
    let state: Mutex<State>
    /// Fires when those that it was told of to begin with have answered, or have not.
    let bootstrapped = Signal()
    /// Yields when the table should be looked through before it is due.
    let kicks = Inbox<Void, Never>(limit: 1)
    /// Yields when a stream is kept.
    let keeping = Inbox<Void, Never>(limit: 1)
    /// Look-ups that sequences have asked for.
    let jobs = Inbox<Job, Never>(limit: KademliaLimits.waitingLookups)
    /// Peers that are told of a key while its look-up goes on, or is over.
    let announcements = Inbox<Job, Never>(limit: KademliaLimits.waitingAnnouncements)
    /// Streams of requests that are served.
    let inbound = Atomic<Int>(0)

    init(
        _ configuration: KademliaConfiguration, ownPeer: PeerID, host: any HostAccess, networks: @escaping @Sendable () -> LocalNetworks,
        memory: HeldMemory? = nil, logger: Logger
    ) {
        self.configuration = configuration
        self.ownPeer = ownPeer
        self.ownPoint = KademliaPoint(of: ownPeer)
        self.host = host
        self.networks = networks
        self.logger = logger
        self.memory = memory
        // Nobody's connection, so nothing is closed for it: what it holds is bounded by its share.
        self.account = memory?.account(for: ownPeer, at: .empty, isDialled: true)
        let share = memory.map { max(1, $0.limits.total / KademliaLimits.memoryDivisor) } ?? .max
        self.state = Mutex(
            State(
                table: RoutingTable(at: self.ownPoint, bucketSize: configuration.replication, diversity: configuration.diversity),
                values: ValueStore(byteLimit: min(KademliaLimits.valueBytes, share)),
                providers: ProviderStore(byteLimit: min(KademliaLimits.providerBytes, share))))
    }

    var clock: HostClock { self.host.clock }

    /// - Returns: whether that is a change.
    @discardableResult
    func setServer(_ isServer: Bool) -> Bool {
        let (isChange, end) = self.state.withLock { state -> (Bool, Signal?) in
            guard state.isServer != isServer else { return (false, nil) }
            state.isServer = isServer
            guard !isServer else { return (true, nil) }
            defer { state.endOfServing = Signal() }
            return (true, state.endOfServing)
        }
        end?.fire()
        return isChange
    }

    /// Serves from now on, or no more, if that is for reachability to say.
    func setReachable(_ isReachable: Bool) {
        guard self.configuration.mode == .automatic else { return }
        let serves = isReachable && self.hasRoomToServe
        guard self.setServer(serves) else { return }
        guard serves else {
            self.host.stopServing(self.configuration.protocolID)
            return
        }
        do throws(StreamError) {
            try self.host.serve(KademliaProtocol(self))
        } catch {
            self.setServer(false)
            self.logger.warning("the hash table can't be served", metadata: ["reason": "\(error)"])
        }
    }

    /// Whether the host's limits leave a server the room that it needs: one that closes its members' connections in a hurry, or can keep nothing for them, is of use to nobody.
    private var hasRoomToServe: Bool {
        let connections = self.host.sample().limits.first { $0.name == "connections" }?.limit ?? .max
        let memory = self.memory?.limits.total ?? .max
        let isShort = connections < KademliaLimits.serverConnections || memory < KademliaLimits.serverMemory
        let wasShort = self.state.withLock { state in
            defer { state.isShortOfRoom = isShort }
            return state.isShortOfRoom
        }
        guard isShort else { return true }
        guard !wasShort else { return false }
        self.logger.notice(
            "others can reach this node, but its limits are too low for a server of the hash table",
            metadata: [
                "connections": "\(connections) of \(KademliaLimits.serverConnections)",
                "memory": "\(memory) of \(KademliaLimits.serverMemory)",
            ])
        return false
    }

    var statistics: KademliaStatistics {
        self.state.withLock { state in
            var statistics = state.statistics
            statistics.protocolID = self.configuration.protocolID.name
            statistics.isServer = state.isServer
            statistics.peers = state.table.count
            statistics.buckets = state.table.bucketCounts
            statistics.tableBytes = state.table.size
            statistics.values = state.values.count
            statistics.valueBytes = state.values.bytes
            statistics.providedKeys = state.providers.keyCount
            statistics.providers = state.providers.count
            statistics.heldBytes = state.held
            statistics.networkSize = state.size.estimate.map { Int($0.rounded()) }
            return statistics
        }
    }

    var peers: [PeerID] { self.state.withLock { $0.table.peers } }

    /// Who may be told what, as this machine's networks are now.
    var judge: AddressJudge {
        let now = self.clock.now()
        if let known = self.state.withLock({ $0.judge }), known.until > now { return known.judge }
        let judge = AddressJudge(self.networks())
        self.state.withLock { $0.judge = (judge, now.advanced(by: Self.judgeLifetime)) }
        return judge
    }

    // MARK: Memory

    /// Changes what the table holds, and has the host's memory charged for it.
    @discardableResult
    func change<Outcome: Sendable>(_ body: (inout State) -> Outcome) -> Outcome {
        self.state.withLock { state in
            let outcome = body(&state)
            let held = state.held
            self.account?.change(by: held - state.charged)
            state.charged = held
            return outcome
        }
    }

    /// Whether nothing more is kept for others, since the host's memory is used up otherwise.
    var isShortOfMemory: Bool { self.memory.map { $0.pressure >= .tight } ?? false }

    // MARK: The table

    /// A peer has answered: it belongs into the table, if there is room.
    func answered(_ peer: PeerID, on connection: ConnectionInfo, heard: [Multiaddr]) {
        var addresses = connection.isDialled && !connection.isLimited ? [connection.remoteAddress.withoutPeerID] : []
        for address in heard where !addresses.contains(address) { addresses.append(address) }
        // A peer may say that it is anywhere; where its packets come from it can't choose.
        let seenAt = connection.isLimited ? nil : connection.remoteAddress
        self.offer(peer, at: addresses.filter(self.configuration.addresses.admits), seenAt: seenAt)
    }

    /// Takes in a peer that has just answered.
    func offer(_ peer: PeerID, at addresses: [Multiaddr], seenAt: Multiaddr? = nil) {
        // Nobody could be sent to a peer that is nowhere.
        guard !addresses.isEmpty || self.state.withLock({ $0.table.contains(peer) }) else { return }
        let now = self.clock.now()
        let (signal, isFirst) = self.change { state -> (Signal?, Bool) in
            let wasEmpty = state.table.isEmpty
            let outcome = state.table.offer(peer, at: addresses, seenAt: seenAt, now: now)
            return (state.table.isEmpty ? nil : state.hasPeers, wasEmpty && outcome == .added)
        }
        signal?.fire()
        if isFirst { _ = self.kicks.offer(()) }
    }

    /// A peer serves the network no more, or does not answer.
    func remove(_ peer: PeerID) {
        self.change { state in
            if state.table.remove(peer), state.table.isEmpty { state.hasPeers = Signal() }
        }
    }

    /// Returns when somebody is in the table.
    func waitForPeers(until deadline: NIODeadline) async throws(KademliaError) {
        let signal = self.state.withLock { $0.table.isEmpty ? $0.hasPeers : nil }
        guard let signal else { return }
        _ = await self.clock.result(by: deadline, unless: self.bootstrapped) { await signal.wait() }
        if !signal.isFired, !Task.isCancelled, self.bootstrapped.isFired {
            let end = min(deadline, self.clock.now().advanced(by: Self.patienceWithoutBootstrap))
            _ = await self.clock.result(by: end) { await signal.wait() }
        }
        if Task.isCancelled { throw Self.cancelled }
        guard signal.isFired else {
            throw KademliaError(.noPeers, "no peer is known that serves \(self.configuration.protocolID): \(self.adviceWithoutPeers)")
        }
    }

    private var adviceWithoutPeers: String {
        let named = Set(self.configuration.bootstrap.compactMap(\.peerID))
        guard !named.isEmpty else { return "name one to begin with, or connect to one" }
        let reached = named.count { self.host.isConnected(to: $0) }
        guard reached > 0 else { return "none of those named to begin with answers" }
        return "of those named to begin with \(reached) answered, and serve another network, or none; is that the network's protocol?"
    }

    static var cancelled: KademliaError { KademliaError(.cancelled, "the task that asked was cancelled") }
    static var over: KademliaError { KademliaError(.notRunning, "the host of the table does not run any more") }

    // MARK: Addresses

    /// What another has said of where peers are, as far as it is believed from there: with what each address holds for.
    func believed(_ contacts: [KademliaContact], toldAt meeting: Meeting, judge: AddressJudge) -> [Lookup.Contact] {
        var believed: [Lookup.Contact] = []
        for contact in contacts where contact.peer != self.ownPeer {
            var known: [KnownAddress] = []
            for address in contact.addresses where self.configuration.addresses.admits(address) {
                guard let address = judge.believed(address, toldAt: meeting) else { continue }
                known.append(KnownAddress(address, source: .identify, origin: judge.origin(of: address, toldAt: meeting)))
            }
            believed.append(Lookup.Contact(contact.peer, at: known))
        }
        return self.diverse(believed)
    }

    /// Leaves out groups of which there are too many: they are one, and want to be many.
    private func diverse(_ contacts: [Lookup.Contact]) -> [Lookup.Contact] {
        guard self.configuration.diversity.perAnswer < contacts.count else { return contacts }
        var counts: [NetworkGroup: Int] = [:]
        let groups = contacts.map { contact in Set(contact.addresses.lazy.compactMap { NetworkGroup(of: $0.address) }) }
        for group in groups.joined() { counts[group, default: 0] += 1 }
        return zip(contacts, groups).filter { _, groups in
            groups.allSatisfy { counts[$0, default: 0] <= self.configuration.diversity.perAnswer }
        }.map(\.0)
    }

    /// A peer as it may be told there.
    func told(_ contact: KademliaContact, at meeting: Meeting, judge: AddressJudge) -> KademliaContact {
        let told = contact.addresses.lazy.filter(self.configuration.addresses.admits).compactMap { judge.told($0, at: meeting) }
        return KademliaContact(contact.peer, at: Array(told.prefix(KademliaLimits.addressesSent)))
    }

    /// This node as it may be told there.
    func ownContact(at meeting: Meeting, judge: AddressJudge) -> KademliaContact {
        self.told(KademliaContact(self.ownPeer, at: self.host.announcedAddresses), at: meeting, judge: judge)
    }
}
