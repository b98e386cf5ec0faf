import NIOCore
import P2PCore
import P2PIdentity
import Synchronization

/// What one host's relay service shares among its streams.
final class RelayDesk: Sendable {
    let host: any HostAccess
    let identity: any IdentityKey
    let group: any EventLoopGroup
    let limits: RelayServiceLimits
    let access: any RelayAccess
    private let ledger: Mutex<RelayLedger>
    private let bytes = Atomic<UInt64>(0)
    private let rests = AsyncStream.makeStream(of: CircuitRest.self)

    init(_ plan: HostPlan, limits: RelayServiceLimits, access: any RelayAccess) {
        self.host = plan.host
        self.identity = plan.identity
        self.group = plan.group
        self.limits = limits
        self.access = access
        self.ledger = Mutex(RelayLedger(limits))
    }

    func reserve(for connection: ConnectionInfo) -> RelayLedger.Answer {
        let now = self.host.clock.now()
        let answer = self.ledger.withLock {
            $0.reserve(for: connection.remotePeer, over: connection.id, at: connection.remoteAddress, now: now)
        }
        // The connection may have ended before this, and its event have come.
        if answer == .granted, self.host.connection(connection.id) == nil {
            self.ledger.withLock { $0.ended { $0 == connection.id } }
        }
        return answer
    }

    /// Counts a circuit, until its seat is gone; with the connection on which the target has its place.
    func begin(from source: PeerID, to target: PeerID) -> Result<(seat: CircuitSeat, place: ConnectionID), RelayRefusal> {
        let now = self.host.clock.now()
        return self.ledger.withLock { $0.begin(from: source, to: target, now: now) }
            .map { (CircuitSeat(from: source, to: target, at: self), $0) }
    }

    /// A circuit is over, and has carried so many bytes.
    func end(from source: PeerID, to target: PeerID, carried bytes: UInt64) {
        self.bytes.wrappingAdd(bytes, ordering: .relaxed)
        self.ledger.withLock { $0.end(from: source, to: target) }
    }

    var statistics: RelayStatistics {
        let (reservations, circuits) = self.ledger.withLock { ($0.reservations, $0.circuits) }
        return RelayStatistics(reservations: reservations, circuits: circuits, bytes: self.bytes.load(ordering: .relaxed))
    }

    /// What is left of a circuit is on its way to the target, and the task that served the source need not stay for it. No more of these wait than there may be
    /// circuits.
    func seeOff(_ rest: CircuitRest) { self.rests.continuation.yield(rest) }

    /// Forgets places whose connection ends, and sees off what is left of circuits, until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.follow(self.host.events()) }
            // Who does not take it in time hears of that by a reset.
            for await rest in self.rests.stream { group.addTask { try? await rest.leave(on: self.host.clock) } }
        }
    }

    private func follow(_ events: HostEvents) async {
        for await event in events {
            switch event {
            case .disconnected(let connection, _): self.ledger.withLock { $0.ended { $0 == connection.id } }
            case .lost:
                let living = Set(self.host.connections.map(\.info.id))
                self.ledger.withLock { $0.ended { !living.contains($0) } }
            default: break
            }
        }
    }
}
