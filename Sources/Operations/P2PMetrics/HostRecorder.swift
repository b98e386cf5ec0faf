import CoreMetrics
import NIOCore
import P2PCore
import P2PMultiaddr
import Synchronization

/// Counts and times what a host does, as it does it.
final class HostRecorder: HostObserver {
    private let clock: HostClock
    private let opened: MetricFamily<Counter>
    private let closed: MetricFamily<Counter>
    private let lifetime: MetricFamily<Timer>
    private let dials: MetricFamily<Counter>
    private let dialDuration: MetricFamily<Timer>
    private let attempts: MetricFamily<Counter>
    private let attemptDuration: MetricFamily<Timer>
    private let arrivals: MetricFamily<Counter>
    private let arrivalDuration: MetricFamily<Timer>
    private let stepDuration: MetricFamily<Timer>
    private let streamFailures: MetricFamily<Counter>
    private let servedDuration: MetricFamily<Timer>
    private let began = Mutex<[ConnectionID: NIODeadline]>([:])
    private let protocols = Mutex<Set<ProtocolID>>([])
    private let finished = Mutex<[String: ConnectionTraffic]>([:])

    init(_ factory: any MetricsFactory, clock: HostClock) {
        self.clock = clock
        self.opened = MetricFamily(Names.connectionsOpened, factory)
        self.closed = MetricFamily(Names.connectionsClosed, factory)
        self.lifetime = MetricFamily(Names.connectionDuration, factory)
        self.dials = MetricFamily(Names.dials, factory)
        self.dialDuration = MetricFamily(Names.dialDuration, factory)
        self.attempts = MetricFamily(Names.attempts, factory)
        self.attemptDuration = MetricFamily(Names.attemptDuration, factory)
        self.arrivals = MetricFamily(Names.arrivals, factory)
        self.arrivalDuration = MetricFamily(Names.arrivalDuration, factory)
        self.stepDuration = MetricFamily(Names.stepDuration, factory)
        self.streamFailures = MetricFamily(Names.streamFailures, factory)
        self.servedDuration = MetricFamily(Names.servedDuration, factory)
    }

    /// What connections carried that have ended, by transport.
    var finishedTraffic: [String: ConnectionTraffic] { self.finished.withLock { $0 } }

    // MARK: Connections

    func connected(_ connection: ConnectionInfo) {
        self.began.withLock { $0[connection.id] = self.clock.now() }
        self.opened[connection.labels].increment()
    }

    func disconnected(_ connection: ConnectionInfo, reason: ConnectionError, traffic: ConnectionTraffic) {
        let transport = Labels.transport(connection.localAddress)
        let direction = Labels.direction(isInbound: !connection.isDialled)
        self.finished.withLock { $0[transport, default: ConnectionTraffic()].add(traffic) }
        self.closed[transport, direction, Labels.reason(reason)].increment()
        guard let began = self.began.withLock({ $0.removeValue(forKey: connection.id) }) else { return }
        self.lifetime[transport, direction].record(since: began, until: self.clock.now())
    }

    // MARK: Work

    func began(_ work: HostWork, within parent: (any WorkObserver)?) -> (any WorkObserver)? {
        MeasuredWork(recorder: self, work: work, began: self.clock.now())
    }

    fileprivate func ended(_ work: HostWork, began: NIODeadline, _ outcome: WorkOutcome) {
        let now = self.clock.now()
        var (result, reason) = (Labels.success, Labels.none)
        if case .failed(let error) = outcome { (result, reason) = (Labels.failure, Labels.reason(error)) }
        switch work {
        case .dial:
            self.dials[result, reason].increment()
            self.dialDuration[result].record(since: began, until: now)
        case .attempt(let address):
            let transport = Labels.transport(address)
            self.attempts[transport, result, reason].increment()
            self.attemptDuration[transport, result].record(since: began, until: now)
        case .arrival(_, let address):
            let transport = Labels.transport(address)
            self.arrivals[transport, result, reason].increment()
            self.arrivalDuration[transport, result].record(since: began, until: now)
        case .step(let step):
            self.stepDuration[Labels.step(step), result].record(since: began, until: now)
        case .opening(let protocols, _):
            guard result == Labels.failure, let first = protocols.first else { return }
            self.streamFailures[self.name(first), Labels.outbound, reason].increment()
        case .serving(let protocolID, _):
            self.servedDuration[self.name(protocolID)].record(since: began, until: now)
            if result == Labels.failure { self.streamFailures[self.name(protocolID), Labels.inbound, reason].increment() }
        }
    }

    /// The name of a protocol that this side chose to serve or to open, of which there may be so many.
    private func name(_ protocolID: ProtocolID) -> String {
        self.protocols.withLock { known in
            if known.contains(protocolID) { return protocolID.name }
            guard known.count < ProtocolTrafficTable.limit else { return ProtocolTrafficTable.rest }
            known.insert(protocolID)
            return protocolID.name
        }
    }
}

/// One piece of work, and when it began.
private struct MeasuredWork: WorkObserver {
    let recorder: HostRecorder
    let work: HostWork
    let began: NIODeadline

    func ended(_ outcome: WorkOutcome) { self.recorder.ended(self.work, began: self.began, outcome) }
}

extension ConnectionInfo {
    /// Transport, security, muxer, direction.
    var labels: [String] {
        [
            Labels.transport(self.localAddress), Labels.security(self.security), Labels.muxer(self.muxer),
            Labels.direction(isInbound: !self.isDialled),
        ]
    }
}

extension ConnectionTraffic {
    /// Adds what another connection has carried.
    mutating func add(_ other: ConnectionTraffic) {
        self.bytesIn &+= other.bytesIn
        self.bytesOut &+= other.bytesOut
        if let events = other.congestionEvents { self.congestionEvents = (self.congestionEvents ?? 0) &+ events }
    }
}

extension Timer {
    fileprivate func record(since began: NIODeadline, until now: NIODeadline) { self.recordNanoseconds(max(0, (now - began).nanoseconds)) }
}
