import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization

/// Dials peers that are to stay connected, and those that were discovered; a ``RedialSchedule`` says whom and when.
final class ConnectionKeeper: Sendable {
    /// How long one of these dials may take: so short that the next one comes soon after a network has healed.
    private static let dialTimeout = Duration.seconds(4)
    /// How often it is said of one peer that is to stay connected that it is not reached: it may be there for a moment again and again.
    private static let newsInterval = TimeAmount.minutes(10)
    /// How often the interfaces are looked at while a peer is to stay connected.
    private static let lookInterval = TimeAmount.seconds(2)

    private struct State {
        var schedule: RedialSchedule
        /// The last dial of each peer that is dialled: what an older one has to say concerns nobody any more.
        var dials: [PeerID: UInt64] = [:]
        var lastDial: UInt64 = 0
        /// Where the caller said that a peer is.
        var given: [PeerID: [Multiaddr]] = [:]
        /// When it was said last of a peer that is to stay connected that it is not reached.
        var missed: [PeerID: NIODeadline] = [:]

        /// Whether it is to be said now.
        mutating func miss(_ peer: PeerID, at now: NIODeadline) -> Bool {
            guard self.schedule.keeps(peer) else { return false }
            if let last = self.missed[peer], now - last < ConnectionKeeper.newsInterval { return false }
            self.missed[peer] = now
            return true
        }
        /// Peers that count for the host's memory.
        var charged = 0
        /// Fires when the host is suspended, or nil when it is.
        var suspended: Signal? = Signal()
        var resumed = Signal()

        mutating func begin(at now: NIODeadline) -> [(peer: PeerID, number: UInt64)] {
            self.schedule.next(at: now).map { peer in
                self.lastDial += 1
                self.dials[peer] = self.lastDial
                return (peer, self.lastDial)
            }
        }

        /// A dial is over; false when a newer one of that peer is under way.
        mutating func end(_ peer: PeerID, number: UInt64) -> Bool {
            guard self.dials[peer] == number else { return false }
            self.dials[peer] = nil
            return true
        }
    }

    private let state: Mutex<State>
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init() {
        self.state = Mutex(State(schedule: RedialSchedule(seed: 0)))
        (self.wakes, self.wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: Facts

    /// - Parameter isConnected: is asked when the end of a connection would be noted after it.
    func keep(_ peer: PeerID, at addresses: [Multiaddr], isConnected: () -> Bool, now: NIODeadline) throws(HostError) {
        let isTaken = self.state.withLock { state in
            guard state.schedule.keep(peer, isConnected: isConnected(), at: now) else { return false }
            if !addresses.isEmpty { state.given[peer] = addresses }
            return true
        }
        guard isTaken else {
            throw HostError(.tooManyKept, "\(RedialSchedule.keptLimit) peers are to stay connected already (keptLimit); release one first")
        }
        self.wake.yield()
    }

    func release(_ peer: PeerID) {
        self.state.withLock { state in
            state.schedule.release(peer)
            state.given[peer] = nil
            state.missed[peer] = nil
        }
        self.wake.yield()
    }

    func found(_ peer: PeerID, until: NIODeadline, yields: Bool, now: NIODeadline) {
        self.state.withLock { $0.schedule.found(peer, until: until, yields: yields, at: now) }
        self.wake.yield()
    }

    func keeps(_ peer: PeerID) -> Bool { self.state.withLock { $0.schedule.keeps(peer) } }

    func networkChanged(at now: NIODeadline) {
        self.state.withLock { $0.schedule.networkChanged(at: now) }
        self.wake.yield()
    }

    func suspend() {
        self.state.withLock { state in
            state.schedule.suspend()
            guard let suspended = state.suspended else { return nil as Signal? }
            state.suspended = nil
            state.resumed = Signal()
            return suspended
        }?.fire()
    }

    func resume(at now: NIODeadline) {
        self.state.withLock { state in
            state.schedule.resume(at: now)
            if state.suspended == nil { state.suspended = Signal() }
            return state.resumed
        }.fire()
        self.wake.yield()
    }

    /// Runs `body` while the host is not suspended, and anew after each time that it was, until the task is cancelled.
    func whileNotSuspended(_ body: @escaping @Sendable () async -> Void) async {
        while !Task.isCancelled {
            let (suspended, resumed) = self.state.withLock { ($0.suspended, $0.resumed) }
            guard let suspended else {
                await resumed.wait()
                continue
            }
            await suspended.cancelling(body)
            if !suspended.isFired { return }
        }
    }

    // MARK: Work

    /// Dials until the task is cancelled.
    func run(_ host: PeerHost) async {
        let clock = host.swarm.clock
        let events = host.events()
        // Pauses differ from node to node, and are the same whenever a simulation of it is repeated.
        let seed = host.peerID.bytes.reduce(into: UInt64(0)) { $0 = $0 &* 31 &+ UInt64($1) }
        self.state.withLock { $0.schedule.seed(seed) }
        self.compare(with: host, at: clock.now())
        await withDiscardingTaskGroup { group in
            group.addTask { await self.follow(events, of: host) }
            var alarm: NIODeadline?
            var look: (networks: [String], due: NIODeadline)?
            self.wake.yield()
            for await _ in self.wakes {
                let now = clock.now()
                look = self.look(after: look, of: host, at: now)
                let (dials, deadline) = self.state.withLock { ($0.begin(at: now), $0.schedule.deadline) }
                self.charge(to: host.swarm.memory)
                for dial in dials { group.addTask { await self.dial(dial.peer, number: dial.number, from: host) } }
                guard let next = [deadline, look?.due].compactMap({ $0 }).min() else { continue }
                if let alarm, alarm > now, alarm <= next { continue }
                alarm = next
                group.addTask {
                    await clock.sleep(next)
                    self.wake.yield()
                }
            }
        }
        self.charge(to: host.swarm.memory, isOver: true)
    }

    /// Those that are in the schedule, or none of them any more, count for the host.
    private func charge(to memory: HeldMemory, isOver: Bool = false) {
        let change = self.state.withLock { state in
            let count = isOver ? 0 : state.schedule.count
            defer { state.charged = count }
            return count - state.charged
        }
        memory.discover(change * RedialSchedule.entrySize)
    }

    /// Looks whether the interfaces are what they were, as long as it matters to somebody.
    private func look(
        after last: (networks: [String], due: NIODeadline)?, of host: PeerHost, at now: NIODeadline
    ) -> (networks: [String], due: NIODeadline)? {
        guard self.state.withLock({ $0.schedule.keepsAny }) else { return nil }
        if let last, last.due > now { return last }
        // That the system can't list them at the moment says nothing about them.
        let networks =
            NetworkInterfaces.devices()?.map { "\($0.name) \($0.address.map { "\($0)" } ?? "")" } ?? last?.networks ?? []
        if let last, last.networks != networks {
            host.swarm.networkChanged()
            self.state.withLock { $0.schedule.networkChanged(at: now) }
        }
        return (networks, now + Self.lookInterval)
    }

    private func follow(_ events: HostEvents, of host: PeerHost) async {
        for await event in events {
            switch event {
            case .connected(let connection):
                // It may be over again, and whoever learnt of that sooner may have reported the peer since.
                self.state.withLock { state in
                    guard host.swarm.connection(to: connection.remotePeer) != nil else { return }
                    state.schedule.connected(connection.remotePeer)
                }
            case .disconnected(let connection, _):
                guard host.swarm.connection(to: connection.remotePeer) == nil else { continue }
                self.state.withLock { $0.schedule.lost(connection.remotePeer, at: host.swarm.clock.now()) }
                self.wake.yield()
            case .lost:
                self.compare(with: host, at: host.swarm.clock.now())
                self.wake.yield()
            default: break
            }
        }
    }

    /// Makes up for events that were missed.
    private func compare(with host: PeerHost, at now: NIODeadline) {
        for peer in self.state.withLock({ $0.schedule.kept }) {
            let isConnected = host.swarm.connection(to: peer) != nil
            self.state.withLock { isConnected ? $0.schedule.connected(peer) : $0.schedule.lost(peer, at: now) }
        }
    }

    /// Where the peer is according to the peerstore, if that says so soon: it may be known elsewhere.
    private static func known(_ peer: PeerID, to host: PeerHost) async -> [KnownAddress] {
        let deadline = host.swarm.clock.now().advanced(by: WriteBehindPeerstore.patience)
        return await host.swarm.peerstore.read(by: deadline) { await $0.knownAddresses(of: peer) } ?? []
    }

    private func dial(_ peer: PeerID, number: UInt64, from host: PeerHost) async {
        let (isKept, given) = self.state.withLock { ($0.schedule.keeps(peer), $0.given[peer] ?? []) }
        do throws(DialError) {
            // Named addresses are tried even if they have failed lately; the schedule has its own pauses.
            var request = DialRequest(addresses: isKept ? given : [], timeout: isKept ? Self.dialTimeout : nil)
            if isKept { request.remembered = await Self.known(peer, to: host) }
            _ = try await host.connect(to: peer, request)
            // It may be over again by now, and the event for that may have come before.
            self.state.withLock { state in
                guard state.end(peer, number: number) else { return }
                guard host.swarm.connection(to: peer) == nil else { return state.schedule.connected(peer) }
                state.schedule.connectedAndLost(peer, at: host.swarm.clock.now())
            }
        } catch {
            let alone = isKept ? nil : host.swarm.leftAlone(await Self.known(peer, to: host), of: peer)
            let isNews = self.state.withLock { state in
                guard state.end(peer, number: number) else { return false }
                state.schedule.failed(peer, leftAloneUntil: alone, at: host.swarm.clock.now())
                guard error.code != .cancelled, error.code != .notRunning else { return false }
                return state.miss(peer, at: host.swarm.clock.now())
            }
            host.logger.log(
                level: isNews ? .warning : .debug,
                isNews ? "a peer that is to stay connected was not reached, and is dialled again" : "a peer was not reached",
                metadata: ["peer": "\(peer)", "reason": "\(error)"])
        }
        self.wake.yield()
    }
}
