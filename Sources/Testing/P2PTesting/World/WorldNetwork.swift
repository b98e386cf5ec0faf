import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Carries packets between the hosts of a world, as their links say.
final class WorldNetwork: Sendable {
    /// Two hosts, the one with the lower number first.
    struct Pair: Hashable {
        let low: Int
        let high: Int

        init(_ one: Int, _ other: Int) {
            (self.low, self.high) = (min(one, other), max(one, other))
        }
    }

    private struct Direction: Hashable {
        let from: Int
        let to: Int
    }

    private struct State {
        var hosts: [PeerID: Int] = [:]
        /// What connections of a host count in.
        var memories: [Int: MemoryBudget] = [:]
        var listeners: [Multiaddr: WorldListener] = [:]
        var everyLink: Link?
        var links: [Pair: Link] = [:]
        var directions: [Direction: LinkDirection] = [:]
        /// Pairs that can't reach each other, and which cut of theirs it is.
        var cuts: [Pair: UInt64] = [:]
        var lastCut: UInt64 = 0
        var lastConnection: UInt64 = 0
        /// The dialer's ends of those that live at either end.
        var connections: [UInt64: WorldConnection] = [:]
        var trace: [WorldEvent] = []
        var fingerprint: UInt64 = 0xcbf2_9ce4_8422_2325
    }

    let clock: VirtualClock
    let executor: WorldExecutor
    let hostClock: HostClock
    private let seed: UInt64
    private let traceLimit: Int
    private let state: Mutex<State>

    init(seed: UInt64, everyLink: Link?, traceLimit: Int) {
        let clock = VirtualClock()
        let executor = WorldExecutor()
        self.clock = clock
        self.executor = executor
        self.hostClock = clock.hostClock(runningTasksOn: executor)
        self.seed = seed
        self.traceLimit = traceLimit
        self.state = Mutex(State(everyLink: everyLink))
    }

    // MARK: Hosts

    /// The length of the range of all addresses, 198.18.0.0/15, which is set aside for benchmarks (RFC 2544).
    static let prefixLength = 15

    /// The address of a host without its port.
    static func ip(of host: Int) -> IPAddress { IPAddress(v4: 0xc612_0000 + UInt32(truncatingIfNeeded: host & 0x1_ffff) + 1) }

    /// The number of a new host.
    func add(_ peer: PeerID) -> Int {
        self.state.withLock { state in
            let number = state.hosts.count
            state.hosts[peer] = number
            return number
        }
    }

    /// The number that follows in ``add(_:)``.
    var hostCount: Int { self.state.withLock { $0.hosts.count } }

    func setMemory(_ memory: MemoryBudget, of host: Int) { self.state.withLock { $0.memories[host] = memory } }

    /// What connections of a host count in; unbounded for one that has said nothing.
    func memory(of host: Int) -> MemoryBudget { self.state.withLock { $0.memories[host] } ?? MemoryBudget(limit: .max) }

    func number(of peer: PeerID) -> Int? { self.state.withLock { $0.hosts[peer] } }

    /// Takes an address for a listener; false when it is taken.
    func bind(_ listener: WorldListener, to address: Multiaddr) -> Bool {
        self.state.withLock { state in
            guard state.listeners[address] == nil else { return false }
            state.listeners[address] = listener
            return true
        }
    }

    func unbind(_ listener: WorldListener, from address: Multiaddr) {
        self.state.withLock { state in
            if state.listeners[address] === listener { state.listeners[address] = nil }
        }
    }

    func listener(at address: Multiaddr) -> WorldListener? { self.state.withLock { $0.listeners[address] } }

    /// The host whose address that is; nil where there is none.
    func host(at address: Multiaddr) -> Int? {
        self.state.withLock { state in
            (0..<state.hosts.count).contains(Self.number(of: address)) ? Self.number(of: address) : nil
        }
    }

    private static func number(of address: Multiaddr) -> Int {
        guard let bytes = address.ipAddress?.bytes, bytes.count == 4 else { return -1 }
        return bytes.reduce(0) { $0 << 8 | Int($1) } - 0xc612_0001
    }

    // MARK: Links

    func setEveryLink(_ link: Link?) { self.state.withLock { $0.everyLink = link } }

    func setLink(_ link: Link, between pair: Pair) { self.state.withLock { $0.links[pair] = link } }

    /// How the two are joined; nil when they are not.
    func link(_ from: Int, _ to: Int) -> Link? {
        self.state.withLock { $0.links[Pair(from, to)] ?? $0.everyLink }
    }

    /// Sends bytes now; returns when they have arrived.
    func send(_ count: Int, from: Int, to: Int) -> NIODeadline {
        let now = self.clock.deadline
        return self.withDirection(from, to) { $0.send(count, over: $1, at: now) }
    }

    /// How long a small packet of a handshake is on its way; it takes nobody's bandwidth.
    func flight(from: Int, to: Int) -> Duration {
        self.withDirection(from, to) { $0.flight(of: 1, over: $1) }
    }

    private func withDirection<Result>(_ from: Int, _ to: Int, _ body: (inout LinkDirection, Link) -> Result) -> Result {
        self.state.withLock { state in
            let link = state.links[Pair(from, to)] ?? state.everyLink ?? Link()
            let seed = self.seed
            return body(&state.directions[Direction(from: from, to: to), default: Self.direction(from, to, seed)], link)
        }
    }

    private static func direction(_ from: Int, _ to: Int, _ seed: UInt64) -> LinkDirection {
        var generator = SeededGenerator(seed: seed ^ (UInt64(from) << 32 | UInt64(to)))
        return LinkDirection(seed: generator.next())
    }

    // MARK: Partitions

    func isCut(_ from: Int, _ to: Int) -> Bool { self.state.withLock { $0.cuts[Pair(from, to)] != nil } }

    /// Nothing passes between the hosts of a pair any more; their connections are lost after a time, unless that is mended before.
    func cut(_ pairs: [Pair]) {
        let now = self.clock.deadline
        let cuts = self.state.withLock { state in
            pairs.filter { state.cuts[$0] == nil }.map { pair in
                state.lastCut += 1
                state.cuts[pair] = state.lastCut
                return (pair: pair, number: state.lastCut)
            }
        }
        for cut in cuts {
            guard let link = self.link(cut.pair.low, cut.pair.high), self.hasConnection(cut.pair) else { continue }
            _ = self.clock.schedule(at: now.advanced(by: link.timeout)) { self.lose(cut.pair, ifStillCutBy: cut.number) }
        }
    }

    private func hasConnection(_ pair: Pair) -> Bool { self.state.withLock { $0.connections.values.contains { $0.pair == pair } } }

    private func lose(_ pair: Pair, ifStillCutBy number: UInt64) {
        let lost = self.state.withLock { $0.cuts[pair] == number ? Self.connections(of: $0, among: [pair]) : [] }
        for connection in lost { connection.lose() }
    }

    /// Mends what was cut; what could not arrive meanwhile is sent again.
    func mend(_ pairs: [Pair]?) {
        let delayed = self.state.withLock { state in
            let mended = Set(pairs ?? Array(state.cuts.keys))
            for pair in mended { state.cuts[pair] = nil }
            return Self.connections(of: state, among: mended)
        }
        for connection in delayed { connection.resume() }
    }

    private static func connections(of state: State, among pairs: Set<Pair>) -> [WorldConnection] {
        state.connections.filter { pairs.contains($0.value.pair) }.sorted { $0.key < $1.key }.map(\.value)
    }

    // MARK: Connections

    func makeConnectionNumber() -> UInt64 {
        self.state.withLock { state in
            state.lastConnection += 1
            return state.lastConnection
        }
    }

    func add(_ connection: WorldConnection) { self.state.withLock { $0.connections[connection.number] = connection } }

    func remove(_ number: UInt64) { self.state.withLock { $0.connections[number] = nil } }

    var connectionCount: Int { self.state.withLock { $0.connections.count } }
    var listenerCount: Int { self.state.withLock { $0.listeners.count } }

    /// Whether something is on its way that will arrive.
    var isCarrying: Bool {
        self.state.withLock { Array($0.connections.values) }.contains { $0.isCarrying }
    }

    // MARK: Trace

    func note(_ kind: WorldEvent.Kind, from: Int, to: Int, connection: UInt64 = 0, stream: UInt64 = 0) {
        let event = WorldEvent(time: self.clock.now.offset, from: from, to: to, connection: connection, stream: stream, kind: kind)
        self.state.withLock { state in
            for word in event.words { state.fingerprint = (state.fingerprint ^ word) &* 0x100_0000_01b3 }
            if state.trace.count < self.traceLimit { state.trace.append(event) }
        }
    }

    var trace: [WorldEvent] { self.state.withLock { $0.trace } }
    var fingerprint: UInt64 { self.state.withLock { $0.fingerprint } }
}
