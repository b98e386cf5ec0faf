import NIOCore
import P2PCore
import Synchronization

/// One flow of datagrams: those of one source, or to one target, over one stream.
///
/// What the stream has no room for waits in a bounded queue whose oldest goes first, so that neither side ever holds up a socket. It lives
/// on the socket's event loop, and is ended by silence, by both ends, or by a failure.
final class DatagramFlow: @unchecked Sendable {
    /// Bytes in the stream's buffer beyond which datagrams wait here, where they can still make room for newer ones.
    static let inFlight = 32 * 1_024
    /// Datagrams that are taken from the stream before others of the loop have their turn.
    private static let turn = 64

    private let stream: PeerStream
    private let place: TunnelLedger.Place
    private let eventLoop: any EventLoop
    /// Gives a datagram to the socket, which may drop it; and has it sent.
    private let deliver: (ByteBuffer) -> Void
    private let flush: () -> Void
    private let ending: EventLoopPromise<Void>
    private let isLookQueued = Atomic<Bool>(false)
    private let idle: TimeAmount
    /// What it may be silent for once it was answered, where an answer is all that is wanted.
    private let answeredIdle: TimeAmount?

    // What follows is confined to the event loop.
    private var reader = DatagramCapsuleReader()
    private var queue = DatagramQueue()
    private var lastMove: NIODeadline
    private var isAnswered = false
    private var hasStreamEnded = false
    private var hasFinished = false
    private var isEnded = false
    private var alarm: Scheduled<Void>?

    /// - Parameters:
    ///   - answeredIdle: what it may be silent for after ``answered()``.
    ///   - deliver: gives a datagram to the socket. On the event loop, as `flush`.
    init(
        _ stream: PeerStream, idle: TimeAmount, answeredIdle: TimeAmount? = nil, place: TunnelLedger.Place, on eventLoop: any EventLoop,
        deliver: @escaping (ByteBuffer) -> Void, flush: @escaping () -> Void
    ) {
        self.stream = stream
        self.place = place
        self.eventLoop = eventLoop
        self.deliver = deliver
        self.flush = flush
        self.idle = idle
        self.answeredIdle = answeredIdle
        self.ending = eventLoop.makePromise(of: Void.self)
        self.lastMove = .now()
    }

    deinit {
        // Of a flow that never began, nobody asks for the end.
        self.ending.succeed()
    }

    /// Succeeds when it is over; fails with why, when the stream was reset or lost.
    var ended: EventLoopFuture<Void> { self.ending.futureResult }

    /// Begins to take what the stream brings. On the event loop.
    func begin() {
        self.stream.muxed.observe(self)
        self.setAlarm()
        self.look()
    }

    /// A datagram came to the socket. On the event loop.
    func send(_ payload: ByteBuffer) {
        guard !self.isEnded, !self.hasFinished else { return }
        guard payload.readableBytes <= DatagramCapsule.maximumPayload else { return self.place.traffic.countLostDatagram() }
        self.lastMove = .now()
        self.place.traffic.countOut(payload.readableBytes)
        let capsule = DatagramCapsule.encode(payload)
        guard self.queue.isEmpty, self.stream.muxed.waitingBytes < Self.inFlight else {
            for _ in 0..<self.queue.append(capsule) { self.place.traffic.countLostDatagram() }
            return
        }
        self.write(capsule)
    }

    /// What came was an answer: nothing more is expected for long. On the event loop.
    func answered() {
        guard self.answeredIdle != nil, !self.isAnswered else { return }
        self.isAnswered = true
        self.alarm?.cancel()
        self.alarm = nil
        self.setAlarm()
    }

    /// Breaks it off. From any thread.
    func cancel() {
        self.eventLoop.execute { self.fail(TunnelError(.broken, "the tunnel was closed")) }
    }

    /// The local end is gone. On the event loop.
    func finish() {
        guard !self.isEnded, !self.hasFinished else { return }
        self.hasFinished = true
        while let capsule = self.queue.popFirst() { self.write(capsule) }
        guard !self.isEnded else { return }
        _ = self.stream.muxed.tryFinish()
        if self.hasStreamEnded { self.end(nil) }
    }

    // MARK: The stream

    private func write(_ capsule: ByteBuffer) {
        if case .failed(let error) = self.stream.muxed.tryWrite(capsule) { self.streamFailed(error) }
    }

    private func look() {
        guard !self.isEnded else { return }
        while !self.queue.isEmpty, self.stream.muxed.waitingBytes < Self.inFlight, let capsule = self.queue.popFirst() {
            self.write(capsule)
        }
        self.pull()
        if !self.isEnded, let failure = self.stream.muxed.failure { self.streamFailed(failure) }
    }

    private func pull() {
        guard !self.hasStreamEnded else { return }
        var taken = 0
        defer { if taken > 0 { self.flush() } }
        while taken < Self.turn {
            do throws(DatagramCapsuleReader.Failure) {
                while taken < Self.turn, let payload = try self.reader.next() {
                    taken += 1
                    self.lastMove = .now()
                    self.place.traffic.countIn(payload.readableBytes)
                    self.deliver(payload)
                }
            } catch {
                return self.fail(TunnelError(.badRequest, "the peer sends what are no capsules of datagrams: \(error)"))
            }
            guard taken < Self.turn else { break }
            switch self.stream.muxed.tryRead(upTo: 64 * 1_024) {
            case .bytes(let bytes): self.reader.append(bytes)
            case .wait: return
            case .end: return self.streamEnded()
            case .failed(let error): return self.streamFailed(error)
            }
        }
        self.queueLook()
    }

    private func streamEnded() {
        self.hasStreamEnded = true
        if self.hasFinished { self.end(nil) } else { self.finish() }
    }

    private func streamFailed(_ error: StreamError) {
        if self.hasFinished, self.hasStreamEnded { return self.end(nil) }
        self.fail(TunnelError(streamFailure: error))
    }

    // MARK: The end

    private func fail(_ reason: TunnelError) {
        guard !self.isEnded else { return }
        self.stream.reset(reason.code == .badRequest ? .protocolViolation : .cancelled)
        self.end(reason)
    }

    private func end(_ reason: TunnelError?) {
        guard !self.isEnded else { return }
        self.isEnded = true
        self.alarm?.cancel()
        self.alarm = nil
        self.stream.muxed.observe(nil)
        if let reason { self.ending.fail(reason) } else { self.ending.succeed() }
    }

    // MARK: Time

    private var deadline: NIODeadline { self.lastMove + (self.isAnswered ? self.answeredIdle ?? self.idle : self.idle) }

    private func setAlarm() {
        guard !self.isEnded, self.alarm == nil else { return }
        self.alarm = self.eventLoop.scheduleTask(deadline: self.deadline) {
            self.alarm = nil
            guard self.deadline <= .now() else { return self.setAlarm() }
            // Silence is no failure. What the peer still sends is not waited for.
            self.finish()
            self.end(nil)
        }
    }

    private func queueLook() {
        guard !self.isLookQueued.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.eventLoop.execute {
            self.isLookQueued.store(false, ordering: .releasing)
            self.look()
        }
    }
}

extension DatagramFlow: MuxedStreamObserver {
    func streamChanged() { self.queueLook() }
}
