import NIOCore
import P2PCore
import Synchronization

/// Two streams that have become one circuit: what comes from either goes to the other, as fast as that takes it.
///
/// It has no task that copies and no buffer of its own. The muxer of either stream asks it for bytes when there are credit and room to send them, and
/// takes them straight from what has come for the other. So a peer that does not read stops the other by the credit of its muxer.
/// What becomes of it is decided on one event loop alone.
final class CircuitSplice: Sendable {
    enum End: Hashable, Sendable {
        /// Both sides have said all that they will, or one has and is gone. What of it has not left yet waits in the stream that it is for: the only one that has
        /// neither failed nor come to its end both ways.
        case finished
        /// One side has reset, or its connection ended, before it had said everything.
        case broken
        /// As many bytes have passed in one direction as may.
        case exhausted
        /// It has lived for as long as it may, or the first stream's connection has ended, or the relay stops.
        case over
    }

    private struct State {
        var end: End?
        var waiter: UnsafeContinuation<End, Never>?
    }

    private let there: CircuitDirection
    private let back: CircuitDirection
    private let eventLoop: any EventLoop
    private let state = Mutex(State())
    /// A look at the streams is queued on the event loop.
    private let isLookQueued = Atomic(false)
    /// The task that ran it was cancelled.
    private let isAbandoned = Atomic(false)

    /// - Parameter eventLoop: best that of one of the streams.
    init(_ one: PeerStream, _ other: PeerStream, limit: UInt64?, on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.there = CircuitDirection(from: one, to: other, limit: limit)
        self.back = CircuitDirection(from: other, to: one, limit: limit)
        one.muxed.observe(self, isFed: true)
        other.muxed.observe(self, isFed: true)
    }

    /// Bytes that have passed, both ways, or wait in the stream that they are for when the circuit has finished.
    var bytes: UInt64 { self.there.passed &+ self.back.passed }

    /// Carries bytes until the circuit is over, `duration` has passed or the task is cancelled; returns when neither stream asks for bytes any more. To be
    /// called once.
    ///
    /// The task is the first stream's, and cancelled when its connection ends: if that stream has said everything, the other still gets it.
    func run(for duration: Duration?, on clock: HostClock) async -> End {
        for direction in [self.there, self.back] { direction.to.muxed.askForBytes() }
        self.streamChanged()
        return await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                if let duration {
                    group.addTask {
                        await clock.sleep(for: duration)
                        if !Task.isCancelled { self.eventLoop.execute { self.end(.over) } }
                    }
                }
                defer { group.cancelAll() }
                return await self.waitForEnd()
            }
        } onCancel: {
            self.isAbandoned.store(true, ordering: .releasing)
            self.streamChanged()
        }
    }

    /// Not cut short by a cancellation, which is seen to on the event loop.
    private func waitForEnd() async -> End {
        await withUnsafeContinuation { waiter in
            let end = self.state.withLock { state in
                if state.end == nil { state.waiter = waiter }
                return state.end
            }
            if let end { waiter.resume(returning: end) }
        }
    }

    private func look() {
        guard self.state.withLock({ $0.end == nil }) else { return }
        for direction in [self.there, self.back] { direction.finishBehindTheLast() }
        let isAbandoned = self.isAbandoned.load(ordering: .acquiring)
        if self.there.isExhausted || self.back.isExhausted {
            self.end(.exhausted)
        } else if self.there.isBroken || self.back.isBroken {
            self.end(.broken)
        } else if self.there.isTheLast || isAbandoned && self.there.isSaid {
            self.handOver(self.there, isAbandoned)
        } else if self.back.isTheLast {
            self.handOver(self.back, isAbandoned)
        } else if isAbandoned {
            self.end(.over)
        }
    }

    private func handOver(_ last: CircuitDirection, _ isAbandoned: Bool) {
        switch last.handOver() {
        case .done:
            // Who has not had all that was for it is not to take that for the whole.
            if !last.from.muxed.hasFinishLeft { last.from.reset() }
            self.end(.finished)
        case .later: break
        case .tooMuch: if isAbandoned { self.end(.over) }
        case .broken: self.end(.broken)
        }
    }

    /// Only the first end counts. On the event loop.
    private func end(_ end: End) {
        let (isFirst, waiter) = self.state.withLock { state in
            guard state.end == nil else { return (false, UnsafeContinuation<End, Never>?.none) }
            state.end = end
            return (true, state.waiter.take())
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
        waiter?.resume(returning: end)
    }
}

extension CircuitSplice: MuxedStreamObserver {
    func streamChanged() {
        guard !self.isLookQueued.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.eventLoop.execute {
            // Also acquires: what whoever did not queue another look had changed before is seen by this one.
            _ = self.isLookQueued.exchange(false, ordering: .acquiringAndReleasing)
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
        if direction.tookBytes() { self.streamChanged() }
        return bytes
    }

    private func direction(to stream: MuxedStream) -> CircuitDirection { stream === self.there.to.muxed ? self.there : self.back }
}
