import Synchronization

/// A place for an arrival until it has come to something. It is given back when this value goes away, and may be lost before that to
/// another arrival: then the one that has it is to end.
public struct PendingPlace: ~Copyable, Sendable {
    private let reservation: Reservation
    /// That it is lost. It outlives the place.
    package let loss: PlaceLoss

    package init(_ reservation: consuming Reservation, loss: PlaceLoss) {
        self.reservation = reservation
        self.loss = loss
    }

    /// A place that is never lost.
    ///
    /// - Parameter reservation: what is given back.
    public init(_ reservation: consuming Reservation) {
        self.init(reservation, loss: PlaceLoss())
    }

    /// The limit for whose sake the place went to another arrival; nil while it is held.
    public var lostTo: LimitError? { self.loss.reason }
}

/// Tells the holder of a ``PendingPlace`` that it went to another arrival.
package final class PlaceLoss: Sendable {
    private struct State {
        var reason: LimitError?
        var action: (@Sendable () -> Void)?
    }

    /// Fires when the place is lost.
    package let signal = Signal()
    private let state = Mutex(State())

    package init() {}

    /// The limit that was reached; nil while the place is held.
    package var reason: LimitError? { self.state.withLock { $0.reason } }

    /// Does something once the place is lost; at once if it is. The last such wish counts.
    package func then(_ action: @escaping @Sendable () -> Void) {
        let isLost = self.state.withLock { state in
            guard state.reason == nil else { return true }
            state.action = action
            return false
        }
        if isLost { action() }
    }

    /// The place went to another arrival.
    package func lose(to limit: LimitError) {
        let action = self.state.withLock { state in
            state.reason = state.reason ?? limit
            return state.action.take()
        }
        self.signal.fire()
        action?()
    }
}
