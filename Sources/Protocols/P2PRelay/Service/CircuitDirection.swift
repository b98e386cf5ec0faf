import NIOCore
import P2PCore
import Synchronization

/// One direction of a circuit: what has come from one stream and may go on to the other.
final class CircuitDirection: Sendable {
    private struct State {
        var allowance: CircuitAllowance
        /// The end has gone on.
        var isFinished = false
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
        self.from.muxed.failure != nil && !(self.from.muxed.hasPeerFinished && back.isOver)
    }

    private func room(upTo most: Int) -> Int { self.state.withLock { $0.allowance.room(upTo: most) } }

    /// Takes what may pass. Called by the muxer of ``to`` alone.
    func take(upTo limit: Int) -> ByteBuffer? {
        let room = self.room(upTo: limit)
        guard room > 0 else { return nil }
        switch self.from.muxed.tryRead(upTo: room) {
        case .bytes(let bytes):
            self.state.withLock { $0.allowance.pass(bytes.readableBytes) }
            return bytes
        default: return nil
        }
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
