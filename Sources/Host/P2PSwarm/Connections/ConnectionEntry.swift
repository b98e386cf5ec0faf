package import NIOCore
package import P2PCore
import Synchronization

/// A connection as the swarm keeps it.
package final class ConnectionEntry: Sendable {
    private struct State {
        /// What the peer says that it serves; nil until it has introduced itself.
        var protocols: Set<ProtocolID>?
        /// Why this side closes it.
        var closing: ConnectionErrorCode?
        /// The shortest grace that was given.
        var grace: Duration?
        /// Streams that the peer had refused.
        var refusals: OffenceCounter?
        var activity: ConnectionActivity
    }

    package let connection: any MuxedConnection
    package let info: ConnectionInfo
    /// When it was opened.
    let opened: NIODeadline
    /// This side has closed it, grace included.
    package let closed = Signal()
    /// Its task is over, and so is every handler.
    package let ended = Signal()

    private let state: Mutex<State>
    private let reservation: Mutex<Reservation?>

    init(_ connection: any MuxedConnection, reservation: consuming Reservation, at now: NIODeadline) {
        self.connection = connection
        self.info = connection.info
        self.opened = now
        self.state = Mutex(State(activity: ConnectionActivity(at: now)))
        self.reservation = Mutex(reservation)
    }

    /// What the peer says that it serves; nil until it has introduced itself.
    package var protocols: Set<ProtocolID>? {
        get { self.state.withLock { $0.protocols } }
        set { self.state.withLock { $0.protocols = newValue } }
    }

    /// The first of `proposals` that the peer is known to serve.
    package func firstSupported(of proposals: [ProtocolID]) -> ProtocolID? {
        self.state.withLock { state in
            guard let protocols = state.protocols else { return nil }
            return proposals.first { protocols.contains($0) }
        }
    }

    /// Counts a stream that the peer had refused; false with the one that is one too many.
    package func toleratesRefusal(upTo maximum: Int, within period: Duration, at now: NIODeadline) -> Bool {
        self.state.withLock { state in
            var refusals = state.refusals ?? OffenceCounter(maximum: max(0, maximum - 1), period: TimeAmount(period), now: now)
            defer { state.refusals = refusals }
            return refusals.tolerates(at: now)
        }
    }

    /// Looks at what has moved on it since the last look.
    func observe(at now: NIODeadline) -> (streams: Int, movedAt: NIODeadline) {
        let traffic = self.connection.traffic
        return self.state.withLock { state in
            state.activity.observe(traffic, at: now)
            return (traffic.streams, state.activity.movedAt)
        }
    }

    /// Why this side closes it, if it does.
    package var closingCode: ConnectionErrorCode? { self.state.withLock { $0.closing } }

    /// Closes the connection and returns when that is done. A later call may shorten the grace, never lengthen it; the
    /// first one says why.
    package func close(_ code: ConnectionErrorCode, grace: Duration) async {
        let isSooner = self.state.withLock { state in
            if state.closing == nil { state.closing = code }
            if let given = state.grace, given <= grace { return false }
            state.grace = grace
            return true
        }
        // Without grace nobody is relied on, since waiting ends when this task is cancelled, and closing does not.
        guard isSooner || grace <= .zero else { return await self.closed.wait() }
        await self.connection.close(code, grace: grace)
        self.closed.fire()
    }

    /// Gives back what was counted for it.
    func release() {
        self.reservation.withLock { $0 = nil }
    }
}
