import NIOCore
import P2PCore
import Synchronization

/// Two streams that have become one circuit: what comes from either goes to the other, as fast as that takes it.
///
/// It has no task that copies and no buffer of its own. The muxer of either stream asks it for bytes when there are credit and room to send them, and
/// takes them straight from what has come for the other. So a peer that does not read stops the other by the credit of its muxer.
final class CircuitSplice: Sendable {
    enum End: Hashable, Sendable {
        /// Both sides have said all that they will, or one has and is gone. What of it has not left yet waits in the stream that it is for.
        case finished
        /// One side has reset, or its connection ended, before it had said everything.
        case broken
        /// As many bytes have passed in one direction as may.
        case exhausted
        /// It has lived for as long as it may, or the relay stops.
        case over
    }

    private let there: CircuitDirection
    private let back: CircuitDirection
    private let eventLoop: any EventLoop
    private let hasEnded = Atomic(false)
    private let carried = Atomic<UInt64>(0)
    /// A look at the streams is queued on the event loop.
    private let isLookQueued = Atomic(false)
    /// Nobody stays with it: what can't go on by itself ends.
    private let isAbandoned = Atomic(false)
    private let ended: EventLoopPromise<End>

    /// - Parameter eventLoop: best that of one of the streams.
    init(_ one: PeerStream, _ other: PeerStream, limit: UInt64?, on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.there = CircuitDirection(from: one, to: other, limit: limit)
        self.back = CircuitDirection(from: other, to: one, limit: limit)
        self.ended = eventLoop.makePromise()
        one.muxed.observe(self, isFed: true)
        other.muxed.observe(self, isFed: true)
    }

    /// Bytes that have passed, both ways.
    var bytes: UInt64 { self.carried.load(ordering: .relaxed) }

    /// Carries bytes until the circuit is over, `duration` has passed or the task is cancelled; returns when neither stream needs it any more. To be called once.
    ///
    /// A task that is cancelled, since the first stream's connection has ended, hands on what is whole of what that stream has said.
    func run(for duration: Duration?, on clock: HostClock) async -> End {
        for direction in [self.there, self.back] { direction.to.muxed.askForBytes() }
        self.streamChanged()
        return await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                if let duration {
                    group.addTask {
                        await clock.sleep(for: duration)
                        if !Task.isCancelled { self.end(.over) }
                    }
                }
                let end = (try? await self.ended.futureResult.get()) ?? .over
                group.cancelAll()
                return end
            }
        } onCancel: {
            self.isAbandoned.store(true, ordering: .releasing)
            self.streamChanged()
        }
    }

    private func look() {
        guard !self.hasEnded.load(ordering: .acquiring) else { return }
        for direction in [self.there, self.back] { direction.finishBehindTheLast() }
        let isAbandoned = self.isAbandoned.load(ordering: .acquiring)
        if self.there.isExhausted || self.back.isExhausted {
            self.end(.exhausted)
        } else if self.there.isBroken || self.back.isBroken {
            self.end(.broken)
        } else if let last = isAbandoned && self.there.isWhole ? self.there : [self.there, self.back].first(where: \.isTheLast) {
            guard let count = last.handOver() else { return }
            self.carried.wrappingAdd(UInt64(count), ordering: .relaxed)
            self.end(.finished)
        } else if isAbandoned {
            self.end(.over)
        }
    }

    /// Only the first end counts.
    private func end(_ end: End) {
        guard !self.hasEnded.exchange(true, ordering: .acquiringAndReleasing) else { return }
        for stream in [self.there.from, self.there.to] {
            stream.muxed.observe(nil)
            switch end {
            case .finished: break
            case .broken: stream.reset()
            case .exhausted, .over: stream.reset(.resourceLimitExceeded)
            }
        }
        self.ended.succeed(end)
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
