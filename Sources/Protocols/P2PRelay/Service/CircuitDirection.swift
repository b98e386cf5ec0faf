import NIOCore
import P2PCore
import Synchronization

/// One direction of a circuit: what has come from one stream and may go on to the other.
final class CircuitDirection: Sendable {
    private struct State {
        var allowance: CircuitAllowance
        /// The end has gone on.
        var isFinished = false
        /// Bytes that wait and count for the connection of ``to``; nil before ``countRest()``.
        var rest: Int?
    }

    let from: PeerStream
    let to: PeerStream
    private let state: Mutex<State>

    init(from: PeerStream, to: PeerStream, limit: UInt64?) {
        self.from = from
        self.to = to
        self.state = Mutex(State(allowance: CircuitAllowance(limit)))
    }

    /// Bytes that may go on now.
    var waitingBytes: Int { self.room(upTo: self.from.muxed.unreadBytes) }

    /// More has come than may pass.
    var isExhausted: Bool { self.room(upTo: 1) == 0 && self.from.muxed.unreadBytes > 0 }

    /// Nothing more will be taken: all that may pass has passed, or all that the peer says has been taken.
    var hasComeToAnEnd: Bool {
        let (bytes, isFinished) = self.from.muxed.inbound
        return bytes > 0 ? self.room(upTo: 1) == 0 : isFinished
    }

    /// Whether everything has gone on, its end included.
    var isOver: Bool { self.state.withLock { $0.isFinished } && self.to.muxed.hasFinishLeft }

    /// Whether the stream that it comes from has failed. That does no harm when everything has come from it, and all has gone to it, which `back` says.
    func isBroken(unless back: CircuitDirection) -> Bool {
        self.from.muxed.failure != nil && !(self.from.muxed.inbound.isFinished && back.isOver)
    }

    private func room(upTo most: Int) -> Int { self.state.withLock { $0.allowance.room(upTo: most) } }

    /// Takes what may pass. Called by the muxer of ``to`` alone.
    func take(upTo limit: Int) -> ByteBuffer? {
        let room = self.room(upTo: limit)
        guard room > 0 else { return nil }
        switch self.from.muxed.tryRead(upTo: room) {
        case .bytes(let bytes):
            let count = bytes.readableBytes
            let taken = self.state.withLock { state in
                state.allowance.pass(count)
                guard let rest = state.rest else { return 0 }
                state.rest = max(0, rest - count)
                return min(rest, count)
            }
            self.countForTaker(-taken)
            return bytes
        default: return nil
        }
    }

    /// What waits of a stream with which its muxer has done counts for the connection of whoever is to take it, which can be closed for it: the other may be
    /// gone by now, and nothing would come of closing it.
    func countRest() {
        guard self.from.muxed.hasPeerFinished, self.from.muxed.hasFinishLeft else { return }
        let rest = self.state.withLock { state in
            guard state.rest == nil else { return 0 }
            let bytes = self.from.muxed.unreadBytes
            state.rest = bytes
            return bytes
        }
        self.countForTaker(rest)
    }

    /// The circuit is over, and its streams have let go of whatever waited.
    func settle() {
        let rest = self.state.withLock { state in
            defer { state.rest = 0 }
            return state.rest ?? 0
        }
        self.countForTaker(-rest)
    }

    private func countForTaker(_ bytes: Int) {
        guard bytes != 0 else { return }
        self.to.muxed.keepElsewhere(bytes)
        self.from.muxed.keepElsewhere(-bytes)
    }

    /// Tells the other side of the end, once everything before it has been taken.
    func finishBehindTheLast() {
        guard self.from.muxed.inbound == (0, true) else { return }
        let isFirst = self.state.withLock { state in
            defer { state.isFinished = true }
            return !state.isFinished
        }
        if isFirst { _ = self.to.muxed.tryFinish() }
    }
}
