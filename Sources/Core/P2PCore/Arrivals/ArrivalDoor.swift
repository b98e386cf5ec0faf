package import NIOCore
package import P2PMultiaddr
import Synchronization

/// Gives places to arrivals, and takes them from those that have shown least for longest when there are none left.
package final class ArrivalDoor: Sendable {
    private struct State {
        var table: ArrivalTable
        var losses: [UInt64: PlaceLoss] = [:]
        var peak = 0
        /// By the limit's name: who was refused, and who made room.
        var refusals: [String: Int] = [:]
    }

    private let state: Mutex<State>

    /// - Parameter known: networks whose arrivals have places of their own.
    package init(_ limits: ArrivalTable.Limits, known: [IPNetwork] = []) {
        self.state = Mutex(State(table: ArrivalTable(limits, known: known)))
    }

    /// Arrivals that have a place.
    package var count: Int { self.state.withLock { $0.table.count } }
    /// The most that ``count`` has been.
    package var peak: Int { self.state.withLock { $0.peak } }
    /// How many were refused or made room because of the limit of that name.
    package func refusals(by limit: String) -> Int { self.state.withLock { $0.refusals[limit, default: 0] } }
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
            let entrance: ArrivalTable.Entrance
            do throws(LimitError) {
                entrance = try state.table.enter(from: address, progress, at: now)
            } catch {
                state.refusals[error.limit, default: 0] += 1
                throw error
            }
            state.losses[entrance.id] = loss
            state.peak = max(state.peak, state.table.count)
            if let limit = entrance.displaced?.limit.limit { state.refusals[limit, default: 0] += 1 }
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
