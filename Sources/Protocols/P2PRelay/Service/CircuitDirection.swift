import NIOCore
import P2PCore
import Synchronization

/// One direction of a circuit: what has come from one stream and may go on to the other.
final class CircuitDirection: Sendable {
    private struct State {
        var allowance: CircuitAllowance
        /// The end has gone on.
        var isFinished = false
        /// The muxer of ``to`` is taking bytes.
        var isTaking = false
        /// What is left was to be handed over meanwhile.
        var isLookDue = false
        /// What is left is handed over: the muxer of ``to`` gets nothing more from here.
        var isClaimed = false
    }

    /// What came of handing over what is left.
    enum HandOver {
        case done
        /// The muxer is taking bytes; after that ``tookBytes()`` asks for another look.
        case later
        /// More has been said than may pass.
        case tooMuch
        /// What was left has been let go of.
        case broken
    }

    let from: PeerStream
    let to: PeerStream
    private let state: Mutex<State>

    init(from: PeerStream, to: PeerStream, limit: UInt64?) {
        self.from = from
        self.to = to
        self.state = Mutex(State(allowance: CircuitAllowance(limit)))
    }

    /// Bytes that have passed.
    var passed: UInt64 { self.state.withLock { $0.allowance.passed } }

    /// Bytes that may go on now.
    var waitingBytes: Int {
        let unread = self.from.muxed.unreadBytes
        return self.state.withLock { $0.isClaimed ? 0 : $0.allowance.room(upTo: unread) }
    }

    /// More has come than may pass.
    var isExhausted: Bool { self.room(upTo: 1) == 0 && self.from.muxed.unreadBytes > 0 }

    /// After ``take(upTo:)``: whether the circuit is to be looked at. All that may pass has passed, or all that the peer says has been taken, or the rest was to be
    /// handed over meanwhile.
    func tookBytes() -> Bool {
        let isLookDue = self.state.withLock { state in
            defer { state.isLookDue = false }
            return state.isLookDue
        }
        let (bytes, isFinished) = self.from.muxed.inbound
        return isLookDue || (bytes > 0 ? self.room(upTo: 1) == 0 : isFinished)
    }

    /// The peer has said all that it will, and nothing of it was let go of.
    var isSaid: Bool { self.from.muxed.inbound.isFinished }

    /// The stream that it comes from has failed before everything was said.
    var isBroken: Bool { self.from.muxed.failure != nil && !self.isSaid }

    /// Whether this is all that is left of the circuit: everything is said, and whoever said it has had all that was for it, or is gone.
    var isTheLast: Bool { self.isSaid && (self.from.muxed.hasFinishLeft || self.from.muxed.failure != nil) }

    private func room(upTo most: Int) -> Int { self.state.withLock { $0.allowance.room(upTo: most) } }

    /// Takes what may pass. Called by the muxer of ``to`` alone.
    func take(upTo limit: Int) -> ByteBuffer? {
        let room = self.state.withLock { state in
            let room = state.isClaimed ? 0 : state.allowance.room(upTo: limit)
            state.isTaking = room > 0
            return room
        }
        guard room > 0 else { return nil }
        let bytes: ByteBuffer? = if case .bytes(let bytes) = self.from.muxed.tryRead(upTo: room) { bytes } else { nil }
        self.state.withLock { state in
            state.isTaking = false
            if let bytes { state.allowance.pass(bytes.readableBytes) }
        }
        return bytes
    }

    /// Gives what is left, and the end behind it, to the stream that it is for, when everything is said: there it waits like anything that is written, whatever
    /// becomes of the other, and counts for the connection that is to take it. Called by one at a time.
    func handOver() -> HandOver {
        let isClaimed = self.state.withLock { state in
            state.isClaimed = !state.isTaking
            state.isLookDue = state.isTaking
            return state.isClaimed
        }
        guard isClaimed else { return .later }
        // Nobody else reads from here on, but all may be let go of at any time.
        let (bytes, isFinished) = self.from.muxed.inbound
        guard isFinished else { return .broken }
        guard self.room(upTo: bytes) == bytes else {
            self.state.withLock { $0.isClaimed = false }
            // The muxer may have come in vain.
            self.to.muxed.askForBytes()
            return .tooMuch
        }
        guard let rest = self.readToEnd() else { return .broken }
        self.state.withLock { state in for bytes in rest { state.allowance.pass(bytes.readableBytes) } }
        for bytes in rest { _ = self.to.muxed.tryWrite(bytes) }
        _ = self.to.muxed.tryFinish()
        return .done
    }

    /// All that waits; nil where there is no end behind it.
    private func readToEnd() -> [ByteBuffer]? {
        var pieces: [ByteBuffer] = []
        while true {
            switch self.from.muxed.tryRead(upTo: .max) {
            case .bytes(let bytes): pieces.append(bytes)
            case .end: return pieces
            default: return nil
            }
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
