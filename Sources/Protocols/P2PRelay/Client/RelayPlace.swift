import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// This node's place at one relay: asked for, kept, and asked for again when it is lost.
final class RelayPlace: Sendable {
    private struct State {
        var schedule: ReservationSchedule
        var addresses: [Multiaddr] = []
    }

    private static let count = Atomic<UInt64>(0)

    let circuit: CircuitAddress
    /// Fires when the place is wanted no more.
    let given = Signal()
    /// What the relay's connection is kept for: this place, for there may be others at the same relay.
    private let protection = "relay place \(RelayPlace.count.add(1, ordering: .relaxed).newValue)"
    private let room: CircuitRoom
    private let state: Mutex<State>
    private let news = Inbox<Void, Never>(limit: 1)
    /// Called when the addresses have changed, or the relay has said no.
    private let onNews: @Sendable (News) -> Void

    enum News: Sendable {
        case changed
        case failed(ReservationSchedule.Failure)
    }

    init(_ circuit: CircuitAddress, in room: CircuitRoom, onNews: @escaping @Sendable (News) -> Void) {
        self.circuit = circuit
        self.room = room
        self.onNews = onNews
        let seed = (room.host.peerID.bytes + circuit.relay.bytes).reduce(into: UInt64(0)) { $0 = $0 &* 31 &+ UInt64($1) }
        self.state = Mutex(State(schedule: ReservationSchedule(seed: seed)))
    }

    /// Where this node is found through the relay; none while it has no place.
    var addresses: [Multiaddr] { self.state.withLock { $0.addresses } }

    /// Whether this node has a place at the relay over this connection.
    func isHeld(over connection: ConnectionInfo) -> Bool {
        self.state.withLock { $0.schedule.place?.connection == connection.id }
    }

    /// Some connections are over.
    func connectionsEnded(_ isOver: (ConnectionID) -> Bool) {
        let now = self.room.host.clock.now()
        let isLost = self.state.withLock { state in
            guard let place = state.schedule.place, isOver(place.connection) else { return false }
            return state.schedule.ended(place.connection, at: now)
        }
        guard isLost else { return }
        self.room.post(.lost(relay: self.circuit.relay))
        _ = self.news.offer(())
    }

    /// Has a place, as far as the relay lets it, until the task is cancelled.
    func keep() async {
        let clock = self.room.host.clock
        self.room.host.protect(self.circuit.relay, for: self.protection)
        defer { _ = self.room.host.unprotect(self.circuit.relay, for: self.protection) }
        while !Task.isCancelled {
            let (step, isHeld) = self.state.withLock { ($0.schedule.next(at: clock.now()), $0.schedule.place != nil) }
            if !isHeld { self.announce([]) }
            switch step {
            case .ask: await self.ask()
            case .wait(let until): await self.sleep(until)
            }
        }
        self.announce([])
    }

    /// Until then, or until something has happened.
    private func sleep(_ until: NIODeadline) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.room.host.clock.sleep(until) }
            group.addTask { _ = await self.news.next() }
            await group.next()
            group.cancelAll()
        }
    }

    private func ask() async {
        let clock = self.room.host.clock
        do {
            let asking = RelayAsking(host: self.room.host)
            let deadline = clock.now() + RelayAsking.reserveTimeout
            let connection = try await asking.connect(to: self.circuit.relay, at: self.circuit.relayAddresses, by: deadline)
            let reservation = try await asking.reserve(at: self.circuit.relayAddresses.first, on: connection, by: deadline)
            self.state.withLock { $0.schedule.granted(for: reservation.life, on: connection.info.id, at: clock.now()) }
            self.announce(reservation.addresses)
            self.room.post(.reserved(reservation))
            // It may be over by now, and the event of that may have come before.
            if self.room.host.connection(connection.info.id) == nil {
                self.connectionsEnded { $0 == connection.info.id }
            }
        } catch {
            guard !Task.isCancelled else { return }
            let failure = (error as? RelayError)?.failure ?? .unreachable
            self.state.withLock { $0.schedule.failed(failure, at: clock.now()) }
            self.room.host.logger.debug(
                "a relay gave no place", metadata: ["relay": "\(self.circuit.relay)", "reason": "\(error)"])
            self.room.post(.refused(relay: self.circuit.relay, reason: "\(error)"))
            self.onNews(.failed(failure))
        }
    }

    private func announce(_ addresses: [Multiaddr]) {
        let isChange = self.state.withLock { state in
            defer { state.addresses = addresses }
            return state.addresses != addresses
        }
        if isChange { self.onNews(.changed) }
    }
}
