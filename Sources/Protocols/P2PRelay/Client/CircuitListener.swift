import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Places at relays, and the circuits that come from there: at one relay that was named, or at those that are found.
final class CircuitListener: TransportListener {
    private let wanted: CircuitAddress?
    private let room: CircuitRoom
    private let places = Mutex<[RelayPlace]>([])
    private let told = Mutex<[Multiaddr]>([])
    private let choice = Mutex(RelayChoice())
    private let arrivals = Inbox<PendingCircuit, Never>(limit: CircuitRoom.pendingLimit)
    private let changes: (changes: AddressChanges, continuation: AsyncStream<[Multiaddr]>.Continuation)

    /// - Parameter wanted: the one relay; nil for those that are found.
    init(_ wanted: CircuitAddress?, in room: CircuitRoom) {
        self.wanted = wanted
        self.room = room
        self.changes = AddressChanges.make()
    }

    /// None before a relay has given a place.
    var addresses: [Multiaddr] { self.places.withLock { $0 }.flatMap(\.addresses) }
    var addressChanges: AddressChanges { self.changes.changes }

    func run(_ onArrival: @escaping @Sendable (any PendingConnection) async -> Void) async throws {
        self.room.add(self)
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keepPlaces() }
            while let arrival = await self.arrivals.next() {
                group.addTask {
                    await onArrival(arrival)
                    arrival.refuse()
                }
            }
            group.cancelAll()
        }
        self.room.remove(self)
        self.arrivals.finish(.success(()))
        for arrival in self.arrivals.takeAll() { arrival.refuse() }
        self.changes.continuation.finish()
    }

    // MARK: Circuits

    /// Whether this node has a place at the relay over this connection.
    func holdsPlace(over connection: ConnectionInfo) -> Bool {
        self.places.withLock { $0 }.contains { $0.isHeld(over: connection) }
    }

    /// False when too many wait.
    func offer(_ circuit: PendingCircuit) -> Bool { self.arrivals.offer(circuit) }

    // MARK: Places

    /// Some connections are over.
    func connectionsEnded(_ isOver: (ConnectionID) -> Bool) {
        for place in self.places.withLock({ $0 }) { place.connectionsEnded(isOver) }
    }

    private func keepPlaces() async {
        guard let wanted else { return await self.findPlaces() }
        let place = RelayPlace(wanted, in: self.room) { _ in self.tell() }
        self.places.withLock { $0 = [place] }
        await place.keep()
    }

    /// Takes places at relays among the peers that are connected, as a ``RelayChoice`` says.
    private func findPlaces() async {
        let wake = Inbox<Void, Never>(limit: 1)
        let clock = self.room.host.clock
        let events = self.room.host.events()
        let (measured, distances) = AsyncStream.makeStream(
            of: ConnectionInfo.self, bufferingPolicy: .bufferingOldest(RelayChoice.candidateLimit))
        defer {
            if let spare = self.choice.withLock({ $0.spare }) { _ = self.room.host.unprotect(spare, for: Self.spare) }
        }
        await withDiscardingTaskGroup { group in
            group.addTask {
                for connection in await self.recall() { distances.yield(connection) }
                _ = wake.offer(())
                for await event in events {
                    switch event {
                    case .identified(let connection, let introduction):
                        guard introduction.protocols.contains(Relay.hopID), !connection.remoteAddress.isRelayed else { continue }
                        if self.choice.withLock({ $0.found(connection.remotePeer, at: connection.remoteAddress) }) {
                            distances.yield(connection)
                        }
                    case .disconnected(let connection, _):
                        guard !self.room.host.isConnected(to: connection.remotePeer) else { continue }
                        self.choice.withLock { $0.gone(connection.remotePeer) }
                    default: continue
                    }
                    _ = wake.offer(())
                }
            }
            group.addTask {
                for await connection in measured {
                    guard let distance = await RelayDistance.measure(over: connection, of: self.room.host) else { continue }
                    self.choice.withLock { $0.measured(connection.remotePeer, roundTrip: distance) }
                    _ = wake.offer(())
                }
            }
            while !Task.isCancelled {
                let (actions, until) = self.choice.withLock { ($0.next(at: clock.now()), $0.deadline) }
                for action in actions {
                    switch action {
                    case .take(let peer, let address):
                        guard let circuit = CircuitAddress.place(at: address, of: peer).flatMap({ CircuitAddress($0) }) else { continue }
                        let place = RelayPlace(circuit, in: self.room) { news in
                            self.choice.withLock { choice in
                                if case .failed(let failure) = news { choice.failed(peer, failure, at: clock.now()) }
                            }
                            self.tell()
                            _ = wake.offer(())
                        }
                        self.places.withLock { $0.append(place) }
                        group.addTask { await place.given.cancelling { await place.keep() } }
                    case .drop(let peer):
                        let dropped = self.places.withLock { places in
                            let dropped = places.filter { $0.circuit.relay == peer }
                            places.removeAll { $0.circuit.relay == peer }
                            return dropped
                        }
                        for place in dropped { place.given.fire() }
                        self.tell()
                    case .keep(let peer): self.room.host.protect(peer, for: Self.spare)
                    case .release(let peer): _ = self.room.host.unprotect(peer, for: Self.spare)
                    }
                }
                let held = Set(self.places.withLock { $0 }.filter { !$0.addresses.isEmpty }.map(\.circuit.relay))
                self.choice.withLock { $0.held = held }
                if !actions.isEmpty { continue }
                await withTaskGroup(of: Void.self) { race in
                    race.addTask { _ = await wake.next() }
                    if let until { race.addTask { await clock.sleep(until) } }
                    await race.next()
                    race.cancelAll()
                }
                let now = Set(self.places.withLock { $0 }.filter { !$0.addresses.isEmpty }.map(\.circuit.relay))
                self.choice.withLock { $0.held = now }
            }
            group.cancelAll()
        }
    }

    /// What a connection is kept for.
    private static let spare = "spare relay"

    /// Those that were met before.
    private func recall() async -> [ConnectionInfo] {
        var found: [ConnectionInfo] = []
        for connection in self.room.host.connections where !connection.remoteAddress.isRelayed {
            guard let known = await self.room.host.peerstore.introduction(of: connection.remotePeer), known.protocols.contains(Relay.hopID)
            else { continue }
            if self.choice.withLock({ $0.found(connection.remotePeer, at: connection.remoteAddress) }) { found.append(connection.info) }
        }
        return found
    }

    private func tell() {
        let addresses = self.addresses
        let isChange = self.told.withLock { told in
            defer { told = addresses }
            return told != addresses
        }
        if isChange { self.changes.continuation.yield(addresses) }
    }
}
