public import CoreMetrics
import NIOCore
public import P2PCore
import Synchronization

/// The metrics of a host, for whatever backend swift-metrics is given: a module that hears what the host does, and reads its counters now and then.
///
/// ```swift
/// MetricsSystem.bootstrap(…)
/// let host = try await PeerHost.standard(modules: .standard.adding(HostMetrics()))
/// ```
///
/// Reading and writing streams costs nothing for it. Every label is of a closed set: no peer can make a series (`Specs/Metrics.md`). One value is
/// for one host.
public final class HostMetrics: HostModule {
    private struct State {
        var host: (any HostAccess)?
        var recorder: HostRecorder?
        var sampler: HostSampler
    }

    /// How often the peers of the peerstore are counted, which may be many.
    private static let peerstoreInterval = Duration.seconds(60)

    private let factory: any MetricsFactory
    private let interval: Duration
    private let state: Mutex<State>

    /// Metrics that nobody sees before a host has this module.
    ///
    /// - Parameters:
    ///   - factory: where they go; nil for the one that the process has (`MetricsSystem`).
    ///   - interval: how often gauges, and counters that only the host knows, are read; whoever scrapes may ask for it (``sample()``).
    public init(factory: (any MetricsFactory)? = nil, interval: Duration = .seconds(15)) {
        let factory = factory ?? MetricsSystem.factory
        self.factory = factory
        self.interval = interval
        self.state = Mutex(State(sampler: HostSampler(factory)))
    }

    /// Observes the host, and reads its counters while it runs.
    public func join(_ plan: inout HostPlan) {
        let recorder = HostRecorder(self.factory, clock: plan.host.clock)
        let host = plan.host
        self.state.withLock {
            $0.host = host
            $0.recorder = recorder
        }
        plan.observers.append(recorder)
        plan.services.append(HostService("metrics") { host in await self.run(host) })
    }

    /// Reads the host's counters now, so that what is told next is of this moment. It looks at every connection: not for an event loop.
    public func sample() {
        self.state.withLock { state in
            guard let host = state.host, let recorder = state.recorder else { return }
            state.sampler.take(host.sample(), finished: recorder.finishedTraffic)
        }
    }

    private func run(_ host: any HostAccess) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.follow(host.events()) }
            group.addTask {
                while !Task.isCancelled {
                    self.sample()
                    await host.clock.sleep(for: self.interval)
                }
            }
            group.addTask {
                let peers = Meter(label: Names.peerstorePeers.name, factory: self.factory)
                while !Task.isCancelled {
                    peers.set(await host.peerstore.peers().count)
                    await host.clock.sleep(for: Self.peerstoreInterval)
                }
            }
            await group.waitForAll()
        }
        self.sample()
    }

    private func follow(_ events: HostEvents) async {
        let identified = Counter(label: Names.identified.name, factory: self.factory)
        let discovered = Counter(label: Names.discovered.name, factory: self.factory)
        let lost = Counter(label: Names.eventsLost.name, factory: self.factory)
        // A series begins at zero.
        for counter in [identified, discovered, lost] { counter.increment(by: 0) }
        for await event in events {
            switch event {
            case .identified: identified.increment()
            case .discovered: discovered.increment()
            case .lost(let count): lost.increment(by: count)
            default: break
            }
        }
    }
}
