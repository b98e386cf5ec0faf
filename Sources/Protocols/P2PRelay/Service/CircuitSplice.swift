import NIOCore
import P2PCore
import Synchronization

/// Two streams that have become one circuit: what comes from either goes to the other, as fast as that takes it.
///
/// It is told when something changes, and has no task and no buffer of its own: bytes go from one stream's buffer to the other's, without a copy, and
/// only while fewer than ``waiting`` bytes wait there to be sent. So a peer that does not read stops the other by the credit of its muxer.
final class CircuitSplice: Sendable {
    /// Bytes that wait to be sent in one direction, at most: half of what a circuit may cost.
    static let waiting = 8 * 1_024
    /// How long the last bytes may take to leave when a limit was reached.
    private static let lastMoment = TimeAmount.seconds(1)

    enum End: Hashable, Sendable {
        /// Both sides have finished, and all that they said has left.
        case finished
        /// One side has reset, or its connection ended.
        case broken
        /// As many bytes have passed in one direction as may.
        case exhausted
        /// It has lived for as long as it may, or the relay stops.
        case over
    }

    private struct Direction {
        let from: PeerStream
        let to: PeerStream
        var allowance: CircuitAllowance
        var isFinished = false

        /// Whether nothing of it waits here any more.
        var hasLeft: Bool { self.to.muxed.waitingBytes == 0 }
        /// Whether all of it has gone on, its end included.
        var isOver: Bool { self.isFinished && self.to.muxed.hasFinishLeft }
    }

    private struct State {
        var there: Direction
        var back: Direction
        var isExhausted = false

        var isOver: Bool { self.there.isOver && self.back.isOver }
        /// A stream that has failed does no harm when everything has come from it and gone to it.
        var isBroken: Bool {
            self.there.from.muxed.failure != nil && !(self.there.isFinished && self.back.isOver)
                || self.back.from.muxed.failure != nil && !(self.back.isFinished && self.there.isOver)
        }
    }

    private let eventLoop: any EventLoop
    private let state: NIOLoopBoundBox<State?>
    private let ending = Mutex<End?>(nil)
    private let carried = Atomic<UInt64>(0)
    /// A look at the streams is queued on the event loop.
    private let isLookQueued = Atomic(false)
    private let ended = Signal()

    /// - Parameter eventLoop: best that of one of the streams.
    init(_ one: PeerStream, _ other: PeerStream, limit: UInt64?, on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        let state = State(
            there: Direction(from: one, to: other, allowance: CircuitAllowance(limit)),
            back: Direction(from: other, to: one, allowance: CircuitAllowance(limit)))
        self.state = NIOLoopBoundBox.makeBoxSendingValue(state, eventLoop: eventLoop)
        one.muxed.observe(self)
        other.muxed.observe(self)
    }

    /// Bytes that have passed, both ways.
    var bytes: UInt64 { self.carried.load(ordering: .relaxed) }

    /// Carries bytes until the circuit is over, `duration` has passed or the task is cancelled; returns when both streams are finished or reset.
    func run(for duration: Duration?, on clock: HostClock) async -> End {
        self.streamChanged()
        if let duration {
            let ended = self.ended
            _ = await clock.result(by: clock.now().advanced(by: duration)) { await ended.wait() }
        } else {
            await self.ended.wait()
        }
        if let end = self.ending.withLock({ $0 }) { return end }
        self.eventLoop.execute { self.end(.over) }
        return .over
    }

    // MARK: On the event loop

    private func look() {
        guard var state = self.state.value else { return }
        if state.isBroken { return self.end(.broken) }
        if !state.isExhausted {
            self.move(&state.there, &state.isExhausted)
            self.move(&state.back, &state.isExhausted)
            if state.isExhausted { self.eventLoop.scheduleTask(in: Self.lastMoment) { self.end(.exhausted) } }
        }
        self.state.value = state
        if state.isExhausted {
            if state.there.hasLeft, state.back.hasLeft { self.end(.exhausted) }
        } else if state.isOver {
            self.end(.finished)
        }
    }

    /// Hands over what there is room for.
    private func move(_ direction: inout Direction, _ isExhausted: inout Bool) {
        while !direction.isFinished, !isExhausted {
            let space = Self.waiting - direction.to.muxed.waitingBytes
            guard space > 0 else { return }
            let room = direction.allowance.room(upTo: space)
            switch direction.from.muxed.tryRead(upTo: max(1, room)) {
            case .bytes(let bytes):
                guard room > 0 else {
                    isExhausted = true
                    return
                }
                direction.allowance.pass(bytes.readableBytes)
                self.carried.wrappingAdd(UInt64(bytes.readableBytes), ordering: .relaxed)
                _ = direction.to.muxed.tryWrite(bytes)
            case .end:
                direction.isFinished = true
                _ = direction.to.muxed.tryFinish()
            default: return
            }
        }
    }

    private func end(_ end: End) {
        guard let state = self.state.value else { return }
        self.state.value = nil
        for stream in [state.there.from, state.there.to] {
            stream.muxed.observe(nil)
            switch end {
            case .finished: break
            case .broken: stream.reset()
            case .exhausted, .over: stream.reset(.resourceLimitExceeded)
            }
        }
        self.ending.withLock { $0 = end }
        self.ended.fire()
    }
}

extension CircuitSplice: MuxedStreamObserver {
    func streamChanged() {
        guard !self.isLookQueued.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.eventLoop.execute {
            self.isLookQueued.store(false, ordering: .releasing)
            self.look()
        }
    }
}
