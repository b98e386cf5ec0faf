import NIOCore
import P2PCore
import Synchronization

/// Two streams that have become one circuit: what comes from either goes to the other, as fast as that takes it.
///
/// It has no task that copies and no buffer of its own. The muxer of either stream asks it for bytes when there are credit and room to send them, and
/// takes them straight from what has come for the other. So a peer that does not read stops the other by the credit of its muxer.
final class CircuitSplice: Sendable {
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

    private let there: CircuitDirection
    private let back: CircuitDirection
    private let eventLoop: any EventLoop
    private let ending = Mutex<End?>(nil)
    private let carried = Atomic<UInt64>(0)
    /// A look at the streams is queued on the event loop.
    private let isLookQueued = Atomic(false)
    private let ended = Signal()

    /// - Parameter eventLoop: best that of one of the streams.
    init(_ one: PeerStream, _ other: PeerStream, limit: UInt64?, on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.there = CircuitDirection(from: one, to: other, limit: limit)
        self.back = CircuitDirection(from: other, to: one, limit: limit)
        one.muxed.observe(self, isFed: true)
        other.muxed.observe(self, isFed: true)
    }

    /// Bytes that have passed, both ways.
    var bytes: UInt64 { self.carried.load(ordering: .relaxed) }

    /// Carries bytes until the circuit is over, `duration` has passed or the task is cancelled; returns when both streams are finished or reset.
    func run(for duration: Duration?, on clock: HostClock) async -> End {
        for direction in [self.there, self.back] { direction.to.muxed.askForBytes() }
        self.streamChanged()
        await withDiscardingTaskGroup { group in
            if let duration {
                group.addTask {
                    await clock.sleep(for: duration)
                    if !Task.isCancelled { self.end(.over) }
                }
            }
            await self.ended.wait()
            group.cancelAll()
        }
        self.end(.over)
        return self.ending.withLock { $0 } ?? .over
    }

    private func look() {
        for direction in [self.there, self.back] {
            direction.countRest()
            direction.finishBehindTheLast()
        }
        if self.there.isExhausted || self.back.isExhausted {
            self.end(.exhausted)
        } else if self.there.isBroken(unless: self.back) || self.back.isBroken(unless: self.there) {
            self.end(.broken)
        } else if self.there.isOver, self.back.isOver {
            self.end(.finished)
        }
    }

    /// Only the first end counts.
    private func end(_ end: End) {
        let isFirst = self.ending.withLock { ending in
            defer { if ending == nil { ending = end } }
            return ending == nil
        }
        guard isFirst else { return }
        for stream in [self.there.from, self.there.to] {
            stream.muxed.observe(nil)
            switch end {
            case .finished: break
            case .broken: stream.reset()
            case .exhausted, .over: stream.reset(.resourceLimitExceeded)
            }
        }
        for direction in [self.there, self.back] { direction.settle() }
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

    func streamReceived(_ stream: MuxedStream) {
        let direction = stream === self.there.from.muxed ? self.there : self.back
        if direction.isExhausted { self.streamChanged() } else { direction.to.muxed.askForBytes() }
    }

    func waitingBytes(for stream: MuxedStream) -> Int { self.direction(to: stream).waitingBytes }

    func takeBytes(for stream: MuxedStream, upTo limit: Int) -> ByteBuffer? {
        let direction = self.direction(to: stream)
        let bytes = direction.take(upTo: limit)
        if let bytes { self.carried.wrappingAdd(UInt64(bytes.readableBytes), ordering: .relaxed) }
        if direction.hasComeToAnEnd { self.streamChanged() }
        return bytes
    }

    private func direction(to stream: MuxedStream) -> CircuitDirection { stream === self.there.to.muxed ? self.there : self.back }
}
