import NIOCore
public import P2PCore
public import P2PIdentity
import P2PMultiaddr
import Synchronization

/// A distributed hash table (Kademlia) of a network of peers: finds peers by their id alone, who has something, and values.
///
/// One value for each network: a node that is in two has two of them. A dial of a peer without addresses asks it by itself.
///
/// ```swift
/// var configuration = KademliaConfiguration("/example/kad/1.0.0")
/// configuration.bootstrap = [address]
/// let dht = Kademlia(configuration)
/// let host = try await PeerHost.standard(modules: .standard.adding(dht))
/// try await host.running { host in
///     try await dht.provide(key)
///     for try await event in dht.events(of: .providers(of: other)) { … }
/// }
/// ```
public final class Kademlia: HostModule {
    /// What it was told.
    public let configuration: KademliaConfiguration
    private let joined = Mutex<KademliaNode?>(nil)

    /// The table of a network, for one host.
    public init(_ configuration: KademliaConfiguration) { self.configuration = configuration }

    /// Adds the protocol, if this node is a server from the start; a finder of peers; the task that keeps the table fresh.
    ///
    /// - Throws: `invalidConfiguration` when it has joined a host before, or a number in the configuration makes no sense.
    public func join(_ plan: inout HostPlan) async throws {
        guard self.configuration.replication > 0, self.configuration.parallelism > 0 else {
            throw KademliaError(.invalidConfiguration, "replication and parallelism are 1 at least")
        }
        if let address = self.configuration.bootstrap.first(where: { $0.peerID == nil }) {
            throw KademliaError(.invalidConfiguration, "the bootstrap address \(address) names no peer: add /p2p/ and its id")
        }
        let node = KademliaNode(
            self.configuration, ownPeer: plan.peerID, host: plan.host, networks: plan.localNetworks,
            memory: plan.windowBudget.held, logger: plan.logger)
        let isFirst = self.joined.withLock { joined in
            guard joined == nil else { return false }
            joined = node
            return true
        }
        guard isFirst else { throw KademliaError(.invalidConfiguration, "one Kademlia is one host's: make another for the other host") }
        if self.configuration.mode == .server {
            plan.handlers.append(KademliaProtocol(node))
            node.setServer(true)
        }
        plan.finders.append(KademliaFinder(node))
        plan.services.append(HostService("dht \(self.configuration.protocolID)") { _ in await node.run() })
    }

    func node() throws(KademliaError) -> KademliaNode {
        guard let node = self.joined.withLock({ $0 }) else { throw KademliaError(.notRunning, "the table has not joined a host") }
        return node
    }

    // MARK: Peers

    /// Finds the peers of the network nearest to a key: those that would hold what is stored under it.
    ///
    /// - Parameters:
    ///   - key: as it stands on the wire; its SHA-256 counts.
    ///   - onEvent: is told of each step; it does not wait.
    /// - Returns: at most ``KademliaConfiguration/replication`` peers that have answered, the nearest first, and what it cost.
    /// - Throws: `noPeers`, `cancelled`, `timedOut`.
    public func closestPeers(
        to key: [UInt8], onEvent: @escaping @Sendable (KademliaEvent) -> Void = { _ in }
    ) async throws(KademliaError) -> (peers: [KademliaContact], summary: KademliaSummary) {
        try await self.node().closestPeers(to: key, onEvent: onEvent)
    }

    /// Finds where a peer is, by its id alone. It is dialled where it is said to be, and what answers there counts; what nobody answers at is told all the same at the end.
    ///
    /// - Parameter onEvent: is told of each step; it does not wait.
    /// - Throws: `notFound`, and as ``closestPeers(to:onEvent:)``.
    public func findPeer(
        _ peer: PeerID, onEvent: @escaping @Sendable (KademliaEvent) -> Void = { _ in }
    ) async throws(KademliaError) -> KademliaContact {
        try await self.node().findPeer(peer, onEvent: onEvent)
    }

    // MARK: Providers

    /// Finds who has something.
    ///
    /// - Parameters:
    ///   - key: a multihash, usually that of a CID; 1 to 80 bytes.
    ///   - count: how many suffice. Only those count that two peers have named and that were met when they were dialled, so that liars do not end the search; nil looks for all, and dials
    ///     nobody.
    ///   - onEvent: is told of each one as soon as it is known, and of each step; it does not wait.
    /// - Returns: all that were found. They may be there in vain: only a dial proves it.
    /// - Throws: `notFound`, and as ``closestPeers(to:onEvent:)``.
    @discardableResult
    public func findProviders(
        of key: [UInt8], count: Int? = nil, onEvent: @escaping @Sendable (KademliaEvent) -> Void = { _ in }
    ) async throws(KademliaError) -> [KademliaContact] {
        try await self.node().findProviders(of: key, count: count, onEvent: onEvent)
    }

    /// Tells the network that this node has something, now and every ``KademliaConfiguration/republishInterval``, until ``stopProviding(_:)``.
    ///
    /// - Parameter key: a multihash, usually that of a CID; 1 to 80 bytes.
    /// - Returns: who has taken note.
    /// - Throws: `noAddresses`, `notStored`, and as ``closestPeers(to:onEvent:)``. The key stays among those that are told again.
    @discardableResult
    public func provide(
        _ key: [UInt8], onEvent: @escaping @Sendable (KademliaEvent) -> Void = { _ in }
    ) async throws(KademliaError) -> KademliaStoring {
        try await self.node().provide(key, onEvent: onEvent)
    }

    /// Tells the network that this node has many things, now and every ``KademliaConfiguration/republishInterval``: the key space is looked up region by region, and not
    /// key by key, so that the cost is bounded by the network (`Specs/Kademlia.md`, "Providers").
    ///
    /// - Parameter keys: multihashes, usually those of CIDs; 1 to 80 bytes each.
    /// - Returns: what it has cost, and how many of the keys somebody has taken note of.
    /// - Throws: as ``provide(_:onEvent:)``. The keys stay among those that are told again.
    @discardableResult
    public func provide(all keys: [[UInt8]]) async throws(KademliaError) -> KademliaSweep { try await self.node().provide(all: keys) }

    /// Tells nobody any more; what others keep ends by itself within two days.
    public func stopProviding(_ key: [UInt8]) async throws(KademliaError) { try await self.node().stopProviding(key) }

    // MARK: Values

    /// Finds the best value under a key.
    ///
    /// - Parameters:
    ///   - quorum: valid values from so many peers suffice; 0 asks all that are near.
    ///   - onEvent: is told of each value that is better than those before, and of each step; it does not wait.
    /// - Returns: the best one. Those near the key that had an older one, or none, are sent it.
    /// - Throws: `invalidKey`, `notFound`, and as ``closestPeers(to:onEvent:)``.
    public func value(
        for key: [UInt8], quorum: Int = 16, onEvent: @escaping @Sendable (KademliaEvent) -> Void = { _ in }
    ) async throws(KademliaError) -> [UInt8] {
        try await self.node().value(for: key, quorum: quorum, onEvent: onEvent)
    }

    /// Stores a value under a key, with those that are nearest to it, now and every ``KademliaConfiguration/republishInterval``.
    ///
    /// - Returns: who has stored it.
    /// - Throws: `invalidKey`, `invalidValue`; `outdated` when this node knows a better one;
    ///   `notStored` when nobody took it; and as ``closestPeers(to:onEvent:)``.
    @discardableResult
    public func put(
        _ value: [UInt8], for key: [UInt8], onEvent: @escaping @Sendable (KademliaEvent) -> Void = { _ in }
    ) async throws(KademliaError) -> KademliaStoring {
        try await self.node().put(value, for: key, onEvent: onEvent)
    }

    // MARK: Serving

    /// Says whether others can reach this node, which the table does not find out by itself. In ``KademliaMode/automatic`` it answers others from then on, or no more:
    /// streams of requests that there are end. Other modes take no notice, nor does a table that has not joined a host.
    public func setReachable(_ isReachable: Bool) { (try? self.node())?.setReachable(isReachable) }

    // MARK: What it holds

    /// What it holds, and has done; nothing before it has joined a host.
    public var statistics: KademliaStatistics { (try? self.node())?.statistics ?? KademliaStatistics() }

    /// Who is in the table.
    public var knownPeers: [PeerID] { (try? self.node())?.peers ?? [] }

    /// Looks the table through now: those that are silent go, and buckets are filled.
    public func refresh() async throws(KademliaError) { try await self.node().refresh() }

    /// Returns when somebody is in the table.
    ///
    /// - Throws: `noPeers` when nobody is by then.
    public func waitForPeers(upTo patience: Duration = .seconds(10)) async throws(KademliaError) {
        let node = try self.node()
        try await node.waitForPeers(until: node.clock.now().advanced(by: patience))
    }
}

/// Asks the table where a peer is, for dials that know nothing that leads to it.
struct KademliaFinder: PeerFinding {
    private let node: KademliaNode

    init(_ node: KademliaNode) { self.node = node }

    var name: String { "dht" }

    func find(
        _ peer: PeerID, deadline: NIODeadline, onAddresses: @escaping @Sendable ([Multiaddr]) -> Void
    ) async throws(DialError) {
        do throws(KademliaError) {
            try await self.node.find(peer, until: deadline, onAddresses: onAddresses)
        } catch {
            throw DialError(error.code == .cancelled ? .cancelled : .noAddresses, error.message, cause: error)
        }
    }
}
