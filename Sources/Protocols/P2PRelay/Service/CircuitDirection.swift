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
        /// What is left is given to ``to`` itself: its muxer gets nothing more from here.
        var isHandingOver = false
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

    /// Nothing more will be taken: all that may pass has passed, or all that the peer says has been taken, or what is left goes another way.
    var hasComeToAnEnd: Bool {
        if self.state.withLock({ $0.isHandingOver }) { return true }
        let (bytes, isFinished) = self.from.muxed.inbound
        return bytes > 0 ? self.room(upTo: 1) == 0 : isFinished
    }

    /// The stream that it comes from has failed before everything was said.
    var isBroken: Bool { self.from.muxed.failure != nil && !self.from.muxed.inbound.isFinished }

    /// All is said, and all of it may pass.
    var isWhole: Bool {
        let (bytes, isFinished) = self.from.muxed.inbound
        return isFinished && self.room(upTo: bytes) == bytes
    }

    /// Whether this is all that is left of the circuit: all is said, and whoever said it has had all that was for it, or is gone.
    var isTheLast: Bool { self.isWhole && (self.from.muxed.hasFinishLeft || self.from.muxed.failure != nil) }

    private func room(upTo most: Int) -> Int { self.state.withLock { $0.allowance.room(upTo: most) } }

    /// Takes what may pass. Called by the muxer of ``to`` alone.
    func take(upTo limit: Int) -> ByteBuffer? {
        let room = self.state.withLock { state in
            let room = state.isHandingOver ? 0 : state.allowance.room(upTo: limit)
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

    /// Gives what is left, and the end behind it, to the stream that it is for: there it waits like anything that is written, whatever becomes of the other, and
    /// counts for the connection that is to take it.
    ///
    /// - Returns: how many bytes; nil while the muxer is taking some, after which ``hasComeToAnEnd`` is true.
    func handOver() -> Int? {
        let isFree = self.state.withLock { state in
            state.isHandingOver = true
            return !state.isTaking
        }
        guard isFree else { return nil }
        var count = 0
        while case .bytes(let bytes) = self.from.muxed.tryRead(upTo: .max) {
            count += bytes.readableBytes
            _ = self.to.muxed.tryWrite(bytes)
        }
        _ = self.to.muxed.tryFinish()
        self.to.muxed.stopReading()
        return count
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
