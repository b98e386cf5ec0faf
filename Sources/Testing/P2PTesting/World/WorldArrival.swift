import P2PCore
import P2PMultiaddr
import Synchronization

/// A dial, as the host sees it that was dialled.
final class WorldArrival: PendingConnection {
    private enum State {
        case undecided
        case accepted
        case ended(Result<WorldConnection, TransportError>)
        /// Nobody waits for the connection any more.
        case over
    }

    let localAddress: Multiaddr
    let remoteAddress: Multiaddr
    private let dial: WorldDial
    private let listener: WorldListener
    private let ready = Signal()
    private let state = Mutex(State.undecided)

    init(_ dial: WorldDial, at listener: WorldListener) {
        self.dial = dial
        self.listener = listener
        self.localAddress = dial.to
        self.remoteAddress = dial.from
    }

    func accept() async throws(TransportError) -> any MuxedConnection {
        let isFirst = self.state.withLock { state in
            guard case .undecided = state else { return false }
            state = .accepted
            return true
        }
        guard isFirst else { throw TransportError(.closed, "the arrival was decided on before") }
        self.dial.shakeHands(with: self.listener) { result in
            let isWanted = self.state.withLock { state in
                guard case .accepted = state else { return false }
                state = .ended(result)
                return true
            }
            if isWanted { self.ready.fire() } else if case .success(let connection) = result { connection.lose() }
        }
        await self.ready.wait()
        let result = self.state.withLock { state -> Result<WorldConnection, TransportError>? in
            defer { state = .over }
            if case .ended(let result) = state { return result }
            return nil
        }
        guard let result else { throw TransportError(.cancelled, "the handshakes were cancelled") }
        return try result.get()
    }

    func refuse() {
        let isFirst = self.state.withLock { state in
            guard case .undecided = state else { return false }
            state = .over
            return true
        }
        if isFirst { self.dial.refuse() }
    }
}
