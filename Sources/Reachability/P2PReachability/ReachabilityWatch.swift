import Logging
public import P2PCore
import P2PMultiaddr
import Synchronization

/// Watches over a host's reachability: gathers what its other modules, its peers and its connections tell, and draws the conclusions.
///
/// Modules that have something to tell join behind it.
public final class ReachabilityWatch: HostModule {
    private struct State {
        var reachability = Reachability(ReachabilityFacts())
        var dials = ReachabilityFacts.Dials()
    }

    /// How often what has no event is looked at, and so the least time between two changes that are told.
    private static let interval = Duration.seconds(2)

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

    /// What is known now.
    public var reachability: Reachability { self.state.withLock { $0.reachability } }

    /// What is known, each time that it changes from now on; only the newest waits.
    public var changes: AsyncStream<Reachability> { self.broadcast.subscribe() }

    private func run(_ host: any HostAccess, _ board: ReachabilityBoard) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.watchConnections(host.events()) }
            // What the host has no event for.
            group.addTask {
                while !Task.isCancelled {
                    await host.clock.sleep(for: Self.interval)
                    self.newsContinuation.yield()
                }
            }
            self.look(host, board)
            for await _ in self.news { self.look(host, board) }
            group.cancelAll()
        }
    }

    private func watchConnections(_ events: HostEvents) async {
        for await event in events {
            guard case .connected(let connection) = event, connection.isDialled, connection.remoteAddress.isPublic, !connection.isLimited
            else { continue }
            self.state.withLock { state in
                if connection.remoteAddress.udpEndpoint == nil { state.dials.tcpSucceeded += 1 } else { state.dials.quicSucceeded += 1 }
            }
        }
    }

    private func look(_ host: any HostAccess, _ board: ReachabilityBoard) {
        let posted = board.facts
        var facts = ReachabilityFacts()
        facts.listening = host.listenAddresses
        facts.observed = host.introductions.observedAddresses
        facts.router = posted.router
        facts.verdicts = posted.verdicts
        facts.servers = posted.servers
        facts.dials = self.state.withLock { $0.dials }
        let now = Reachability(facts)
        let before = self.state.withLock { state in
            defer { state.reachability = now }
            return state.reachability
        }
        guard now != before else { return }
        if now.state != before.state || now.diagnosis != before.diagnosis {
            host.logger.info(
                "reachability changed",
                metadata: ["state": "\(now.state)", "diagnosis": "\(now.diagnosis.kind.rawValue)", "remedy": "\(now.remedy)"])
        }
        self.broadcast.post(now)
    }
}
