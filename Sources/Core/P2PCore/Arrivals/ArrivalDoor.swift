package import NIOCore
package import P2PMultiaddr
import Synchronization

/// Gives places to arrivals, and takes them from those that have shown least for longest when there are none left.
package final class ArrivalDoor: Sendable {
    private struct State {
        var table: ArrivalTable
        var losses: [UInt64: PlaceLoss] = [:]
    }

    private let state: Mutex<State>

    /// - Parameter known: networks whose arrivals have places of their own.
    package init(_ limits: ArrivalTable.Limits, known: [IPNetwork] = []) {
        self.state = Mutex(State(table: ArrivalTable(limits, known: known)))
    }

    /// Arrivals that have a place.
    package var count: Int { self.state.withLock { $0.table.count } }
    /// Addresses that something is counted for.
    package var addressCount: Int { self.state.withLock { $0.table.addressCount } }

    /// A place for an arrival. Whoever makes room for it is told.
    ///
    /// - Throws: the limit, when nobody may be made to go.
    package func place(
        for address: Multiaddr, _ progress: ArrivalProgress?, at now: NIODeadline = .now()
    ) throws(LimitError) -> PendingPlace {
        let loss = PlaceLoss()
        let (entrance, loser) = try self.state.withLock { state throws(LimitError) -> (ArrivalTable.Entrance, PlaceLoss?) in
            let entrance = try state.table.enter(from: address, progress, at: now)
            state.losses[entrance.id] = loss
            return (entrance, entrance.displaced.flatMap { state.losses.removeValue(forKey: $0.id) })
        }
        if let limit = entrance.displaced?.limit { loser?.lose(to: limit) }
        let id = entrance.id
        return PendingPlace(
            Reservation {
                self.state.withLock { state in
                    state.losses[id] = nil
                    state.table.leave(id)
                }
            }, loss: loss)
    }
}
