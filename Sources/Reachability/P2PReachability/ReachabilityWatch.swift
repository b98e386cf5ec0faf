import Logging
public import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Watches over a host's reachability: gathers what its other modules, its peers and its connections tell, and draws the conclusions.
///
/// Modules that have something to tell join behind it.
public final class ReachabilityWatch: HostModule {
    private struct State {
        var reachability = Reachability(ReachabilityFacts())
        var told = ReachabilityNews()
        var dials = ReachabilityFacts.Dials()
        var trials = QUICTrials()
        /// This machine's addresses, by which a move to another network shows.
        var home: Set<IPAddress> = []
    }

    /// How often what has no event is looked at, and what was not told yet.
    private static let interval = Duration.seconds(2)
    /// How long a trial of QUIC may take.
    private static let trialTimeout = Duration.seconds(5)

    private let state = Mutex(State())
    private let broadcast = NewestBroadcast<Reachability>()
    private let news: AsyncStream<Void>
    private let newsContinuation: AsyncStream<Void>.Continuation

    /// Knows nothing yet.
    public init() {
        (self.news, self.newsContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Adds the board for others, and the task that reads it.
    public func join(_ plan: inout HostPlan) async throws {
        let news = self.newsContinuation
        let board = ReachabilityBoard { news.yield() }
        plan[ReachabilityBoard.self] = board
        plan.services.append(HostService("reachability") { host in await self.run(host, board) })
    }

    /// What is known now, which may not be told yet (``changes``).
    public var reachability: Reachability { self.state.withLock { $0.reachability } }

    /// Whether this node is finding out whether UDP gets through, so that the diagnosis may change soon.
    public var isTryingQUIC: Bool { self.state.withLock { $0.trials.isPending } }

    /// What is known, each time that it changes from now on: a few changes at once, and then one in five seconds. Only the newest waits.
    public var changes: AsyncStream<Reachability> { self.broadcast.subscribe() }

    private func run(_ host: any HostAccess, _ board: ReachabilityBoard) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.watchConnections(host) }
            // What the host has no event for.
            group.addTask {
                while !Task.isCancelled {
                    await host.clock.sleep(for: Self.interval)
                    await self.tryQUIC(host)
                    self.newsContinuation.yield()
                }
            }
            self.look(host, board)
            for await _ in self.news { self.look(host, board) }
            group.cancelAll()
        }
    }

    private func watchConnections(_ host: any HostAccess) async {
        for await event in host.events() {
            switch event {
            case .connected(let connection) where connection.remoteAddress.isPublic && !connection.remoteAddress.isRelayed:
                let isUDP = connection.remoteAddress.udpEndpoint != nil
                self.state.withLock { state in
                    if isUDP { state.trials.worked() }
                    guard connection.isDialled else { return }
                    if isUDP { state.dials.quicSucceeded += 1 } else { state.dials.tcpSucceeded += 1 }
                }
            case .identified(let connection, let introduction) where connection.isDialled:
                // Whoever does not listen with QUIC does not miss it.
                guard host.listenAddresses.contains(where: { $0.udpEndpoint != nil }) else { continue }
                let now = host.clock.now()
                self.state.withLock {
                    $0.trials.met(
                        connection.remotePeer, at: connection.remoteAddress, listening: introduction.listenAddresses, now: now)
                }
            default: continue
            }
        }
    }

    /// Dials somebody over QUIC, where nobody has come about over it.
    private func tryQUIC(_ host: any HostAccess) async {
        let now = host.clock.now()
        guard let trial = self.state.withLock({ $0.trials.next(at: now) }) else { return }
        let request = DialRequest(addresses: [trial.address], timeout: Self.trialTimeout, allowsLimited: false, forcesNew: true)
        var isSilence = false
        do throws(DialError) {
            let connection = try await host.connect(to: trial.peer, request)
            await host.disconnect(connection.info.id, code: .supplanted, grace: .zero)
        } catch {
            isSilence = error.attempts.contains { $0.error.code == .timedOut || $0.error.code == .unreachable }
        }
        self.state.withLock { $0.trials.ended(silently: isSilence, at: host.clock.now()) }
    }

    private func look(_ host: any HostAccess, _ board: ReachabilityBoard) {
        let posted = board.facts
        var facts = ReachabilityFacts()
        facts.listening = host.listenAddresses
        facts.observed = host.introductions.observedAddresses
        facts.router = posted.router
        facts.verdicts = posted.verdicts
        facts.servers = posted.servers
        let home = Set(facts.listening.filter { !$0.isLoopback && !$0.isRelayed }.compactMap(\.ipAddress))
        facts.dials = self.state.withLock { state in
            if state.home != home {
                // Where nothing was known yet, nothing has changed.
                if !state.home.isEmpty {
                    state.dials = ReachabilityFacts.Dials()
                    state.trials.moved()
                }
                state.home = home
            }
            state.dials.quicFailed = state.trials.silences
            return state.dials
        }
        let now = Reachability(facts)
        let time = host.clock.now()
        let before = self.state.withLock { state in
            state.reachability = now
            return state.told.replaced(by: now, at: time)
        }
        guard let before else { return }
        if now.state != before.state || now.diagnosis != before.diagnosis {
            host.logger.info(
                "reachability changed",
                metadata: ["state": "\(now.state)", "diagnosis": "\(now.diagnosis.kind.rawValue)", "remedy": "\(now.remedy)"])
        }
        self.broadcast.post(now)
    }
}
