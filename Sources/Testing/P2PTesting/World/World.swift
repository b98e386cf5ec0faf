public import Logging
import NIOEmbedded
public import P2PCore
public import P2PHost
public import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Hosts on a network in memory, in a time of their own.
///
/// Everything in a world happens on one thread, in an order that follows from its seed alone, and takes no time but what its links and its
/// sleepers take: ten minutes of two hundred hosts pass in seconds, and pass alike each time.
///
/// ```swift
/// try await withWorld(seed: 7) { world in
///     let a = try await world.host()
///     let b = try await world.host()
///     world.link(a, b, .latency(.milliseconds(40)).loss(0.01))
///     let connection = try await world.perform { try await a.connect(to: b.peerID, at: b.listenAddresses) }
///     world.partition([a], [b])
///     try await world.run(for: .seconds(60))
///     // The connection is gone by now.
/// }
/// ```
///
/// Time passes only during ``perform(within:_:)`` and the `run` methods, and only when no task of the world has anything to do. What waits for another clock,
/// for a socket or for a thread outside is not seen: time may pass meanwhile. A host, its handlers and its modules are told the world's
/// time by their ``HostClock``.
public final class World: Sendable {
    /// What the world began with; the same seed makes the same world.
    public let seed: UInt64
    /// The world's time.
    public var clock: VirtualClock { self.network.clock }
    /// The world's time, for what is told its clock; tasks that it starts belong to the world.
    public var hostClock: HostClock { self.network.hostClock }
    /// Runs tasks as tasks of the world, for those that it is to wait for.
    public var executor: any TaskExecutor { self.network.executor }

    /// For modules that want one; a world has no event loops, and nothing runs on this one.
    private static let group = NIOAsyncTestingEventLoop()

    let network: WorldNetwork
    private let residents = Mutex<[Resident]>([])

    /// A host, and the task that runs it.
    private struct Resident {
        let host: PeerHost
        let running: Task<Void, any Error>
    }

    /// An empty world.
    ///
    /// - Parameters:
    ///   - seed: decides over names, losses and jitter.
    ///   - everyLink: joins all hosts that ``link(_:_:_:)`` does not join otherwise; nil joins none.
    ///   - traceLimit: how many events ``trace`` keeps, the first ones.
    public init(seed: UInt64, everyLink: Link? = nil, traceLimit: Int = 0) {
        self.seed = seed
        self.network = WorldNetwork(seed: seed, everyLink: everyLink, traceLimit: traceLimit)
    }

    // MARK: Hosts

    /// Makes a host, which listens at an address of its own, and runs it until ``shutDown()``.
    ///
    /// - Parameters:
    ///   - identity: who it is; nil takes a key that follows from the seed and the number of hosts before.
    ///   - modules: what the host has beyond the world's own transport.
    /// - Throws: what a module throws.
    public func host(
        _ modules: any HostModule..., identity: (any IdentityKey)? = nil, configuration: HostConfiguration = HostConfiguration(),
        gater: any ConnectionGater = OpenGater(),
        peerstore: (any Peerstore)? = nil, logger: Logger = Logger(label: "world") { _ in SwiftLogNoOpLogHandler() }
    ) async throws -> PeerHost {
        let identity = try identity ?? PrivateKey(ed25519Seed: self.keySeed(self.network.hostCount))
        let number = self.network.add(PeerID(identity.publicKey))
        let transport = WorldTransport(network: self.network, key: identity.publicKey, host: number)
        let host = try await PeerHost.make(
            identity: identity, modules: [transport] + modules, configuration: configuration, gater: gater, peerstore: peerstore,
            group: Self.group, clock: self.hostClock, logger: logger)
        _ = try await host.listen(on: Multiaddr(ip: WorldNetwork.ip(of: number), tcp: 0))
        let running = Task(executorPreference: self.network.executor) { try await host.run() }
        self.residents.withLock { $0.append(Resident(host: host, running: running)) }
        try await self.perform { await host.waitUntilRunning() }
        return host
    }

    private func keySeed(_ number: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: self.seed ^ 0x6b65_7973_0000_0000 ^ UInt64(number))
        return (0..<32).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }

    // MARK: The network

    /// Joins two hosts, from now on: what is on its way already is not affected.
    public func link(_ one: PeerHost, _ other: PeerHost, _ link: Link) {
        guard let pair = self.pair(one, other) else { return }
        self.network.setLink(link, between: pair)
    }

    /// Joins all hosts, those to come included, that ``link(_:_:_:)`` does not join otherwise; nil joins none.
    public func linkAll(_ link: Link?) {
        self.network.setEveryLink(link)
    }

    /// Cuts every link between hosts of different groups: nothing arrives any more. What is sent waits, and connections are lost once
    /// the cut has lasted for the link's ``Link/timeout``. Hosts of no group are not affected; earlier cuts stay.
    public func partition(_ groups: [PeerHost]...) {
        let groups = groups.map { $0.compactMap { self.network.number(of: $0.peerID) } }
        var pairs: [WorldNetwork.Pair] = []
        for (index, group) in groups.enumerated() {
            for other in groups[(index + 1)...] {
                for host in group { pairs += other.map { WorldNetwork.Pair(host, $0) } }
            }
        }
        self.network.cut(pairs)
    }

    /// Mends every cut; what waited for it is sent again.
    public func heal() {
        self.network.mend(nil)
    }

    /// Mends the cut between two hosts.
    public func heal(_ one: PeerHost, _ other: PeerHost) {
        guard let pair = self.pair(one, other) else { return }
        self.network.mend([pair])
    }

    private func pair(_ one: PeerHost, _ other: PeerHost) -> WorldNetwork.Pair? {
        guard let one = self.network.number(of: one.peerID), let other = self.network.number(of: other.peerID) else { return nil }
        return WorldNetwork.Pair(one, other)
    }

    /// Everything that was sent and that happened to connections so far, in order, up to the limit that the world began with.
    public var trace: [WorldEvent] { self.network.trace }

    /// A number that follows from everything that was sent and that happened to connections so far, also beyond the limit of ``trace``.
    public var fingerprint: UInt64 { self.network.fingerprint }

    // MARK: Ending

    /// Shuts every host down, runs until all of them have returned, and checks that nothing is left.
    ///
    /// - Throws: ``WorldError/Code/leftovers``; ``WorldError/Code/timedOut`` when a host has not returned within a minute of the world.
    public func shutDown() async throws {
        let residents = self.residents.withLock { residents in
            defer { residents = [] }
            return residents
        }
        for resident in residents { resident.host.shutDown() }
        try await self.perform(within: .seconds(60)) {
            for resident in residents { try await resident.running.value }
        }
        // The last goodbyes are still on their way.
        try await self.runUntilIdle()
        for (number, resident) in residents.enumerated() {
            let left = resident.host.statistics()
            guard left.connections == 0, left.streams == 0, left.pending == 0, left.dials == 0, left.tasks == 0 else {
                throw WorldError(.leftovers, "host \(number) still holds something: \(left)")
            }
        }
        guard self.network.connectionCount == 0, self.network.listenerCount == 0 else {
            throw WorldError(
                .leftovers,
                "the network still holds \(self.network.connectionCount) connections and \(self.network.listenerCount) listeners")
        }
    }
}

/// Makes a world for as long as `body` runs, then shuts its hosts down, and checks that nothing is left of them.
///
/// - Throws: what `body` throws; else what ``World/shutDown()`` does.
public func withWorld<Value>(
    seed: UInt64, everyLink: Link? = nil, traceLimit: Int = 0, _ body: (World) async throws -> Value
) async throws -> Value {
    let world = World(seed: seed, everyLink: everyLink, traceLimit: traceLimit)
    let value: Value
    do {
        value = try await body(world)
    } catch {
        try? await world.shutDown()
        throw error
    }
    try await world.shutDown()
    return value
}
