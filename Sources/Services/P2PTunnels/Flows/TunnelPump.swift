import NIOCore
import NIOPosix
import P2PCore
import P2PSystem
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Moves bytes between a socket and a stream, both ways, on the socket's event loop: nothing is copied, and no task waits for either.
///
/// It is the last handler of the socket's channel, from its first moment on, and the channel must not read by itself: NIO reads all that
/// there is when the other side ends, whoever wants it or not. Until a stream is attached it keeps that. What the socket brings goes into the stream's buffer, and
/// the next read waits until that is short; what the stream brings goes into the socket for as long as that is writable. `TunnelCourse`
/// decides over ends and failures.
final class TunnelPump: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// The largest piece that is read at a time, and what the system may leave to wait before the stream is read no more.
    static let piece = 64 * 1_024
    /// Buffers that are taken from the stream before others of the loop have their turn.
    private static let turn = 16

    private let eventLoop: any EventLoop
    private let ending: EventLoopPromise<Ending>
    private let isLookQueued = Atomic<Bool>(false)
    private let times: TunnelCourse.Times
    private var halfClosedIdle: TimeAmount { self.times.halfClosedIdle }

    // What follows is confined to the event loop.
    private var course: TunnelCourse
    private var stream: PeerStream?
    private var traffic: TunnelTraffic?
    /// Frees the flow's place with the pump.
    private var place: TunnelLedger.Place?
    /// What came before there was a stream.
    private var early = CircularBuffer<ByteBuffer>(initialCapacity: 0)
    private var hasEarlyEnd = false
    private var isSocketGone = false
    /// The socket's own end has been told to the program.
    private var isOutputClosed = false
    private var context: ChannelHandlerContext?
    private var isPulling = false
    /// A read of the socket waits until the stream has room.
    private var isReadHeld = false
    private var allowance = TunnelAllowance()
    private var alarm: Scheduled<Void>?
    private var alarmDeadline = NIODeadline.distantFuture
    /// How often it looks whether a program has taken everything, where somebody waits for that alone.
    private static let takingPause = TimeAmount.milliseconds(50)
    private var takingLook: Scheduled<Void>?
    /// Bytes that the program had not taken when that was looked at.
    private var lastUntaken: Int?
    /// The socket is half-closed, behind all that it was given.
    private var hasFinishedSocket = false
    private var isEnded = false
    /// Has the socket in this one's place.
    private var successor: TunnelPump?

    init(times: TunnelCourse.Times, on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.ending = eventLoop.makePromise(of: Ending.self)
        self.times = times
        self.course = TunnelCourse(times, at: .now())
    }

    deinit {
        // Of a socket that was never attached, nobody asks for the end.
        self.ending.succeed(.complete)
    }

    /// How it came to an end without a failure.
    enum Ending: Sendable {
        /// Both sides have said all that they wanted to.
        case complete
        /// The local program is gone, and the peer is to be told so once it has what was said to it (``letGo(_:within:on:)``).
        case abandoned
    }

    /// Begins to move bytes between the socket and the stream.
    ///
    /// - Parameters:
    ///   - preface: is written to the socket before what the stream brings.
    ///   - finishHold: for how long the peer is not told that the socket has ended; nil tells it at once.
    func attach(
        _ stream: PeerStream, _ traffic: TunnelTraffic, _ place: TunnelLedger.Place? = nil, preface: ByteBuffer? = nil,
        finishHold: TimeAmount? = nil
    ) -> EventLoopFuture<Ending> {
        self.eventLoop.execute {
            guard !self.isEnded else { return stream.reset() }
            self.course.finishHold = finishHold
            self.stream = stream
            self.place = place
            self.traffic = traffic
            if let preface, let context = self.context { context.writeAndFlush(self.wrapOutboundOut(preface), promise: nil) }
            // A channel that is not active yet forgets that it was to read.
            if self.isSocketGone || self.context?.channel.isActive ?? true { self.begin() }
        }
        return self.ending.futureResult
    }

    /// The same socket on the loop of a stream, so that no byte changes threads. This pump where it is there already, or where a move could lose
    /// something or would take a descriptor that is kept. Whoever cancels this one cancels the other.
    ///
    /// - Parameter takePlace: takes another place for it where it was accepted: for a moment it has two.
    func moved(
        to eventLoop: (any EventLoop)?, sparing reserve: DescriptorReserve = .current(), _ takePlace: () -> AcceptGate.Place
    ) async throws -> TunnelPump {
        guard let eventLoop, eventLoop !== self.eventLoop else { return self }
        let successor = TunnelPump(times: self.times, on: eventLoop)
        let place = takePlace()
        guard let descriptor = try await self.eventLoop.submit({ self.leave(to: successor, sparing: reserve) }).get() else {
            place.giveBack()
            return self
        }
        do {
            let channel = try await ClientBootstrap(group: eventLoop)
                .channelOption(.autoRead, value: false)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.adjustForTunnel()
                        try channel.pipeline.syncOperations.addHandler(successor)
                    }
                }
                .withConnectedSocket(descriptor).get()
            channel.closeFuture.whenComplete { _ in place.giveBack() }
            return successor
        } catch {
            place.giveBack()
            throw error
        }
    }

    /// Lets go of the socket, which goes on under another descriptor; nil where that can't be any more. On the event loop.
    private func leave(to successor: TunnelPump, sparing reserve: DescriptorReserve) -> CInt? {
        guard let context = self.context, context.channel.isActive, self.stream == nil, !self.isEnded, !self.isSocketGone,
            !self.hasEarlyEnd,
            self.early.isEmpty
        else { return nil }
        let copy = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            fcntl($0, F_DUPFD_CLOEXEC, 0)
        }
        guard let descriptor = copy ?? nil, descriptor >= 0 else { return nil }
        guard !reserve.isTouched(by: descriptor, for: .arrival) else {
            close(descriptor)
            return nil
        }
        self.successor = successor
        context.channel.close(promise: nil)
        return descriptor
    }

    /// The same, until the end. Cancelling the task breaks both sides off, unless that is because the peer has left with everything said: what of it the program
    /// has not taken yet still goes there.
    func run(
        _ stream: PeerStream, _ place: TunnelLedger.Place, preface: ByteBuffer? = nil, finishHold: TimeAmount? = nil
    ) async throws {
        let ended = self.attach(stream, place.traffic, place, preface: preface, finishHold: finishHold)
        let ending = try await withTaskCancellationHandler {
            try await ended.get()
        } onCancel: {
            self.eventLoop.execute {
                // A connection that takes no new streams ends its tasks before it ends its streams.
                guard self.stream?.muxed.inbound.isFinished == true else { return self.cancel() }
                self.lastUntaken = self.untaken
                self.course.peerLeft(isHurried: true, at: .now())
                self.setAlarm()
                self.look()
            }
        }
        if ending == .abandoned { await Self.letGo(stream, within: self.halfClosedIdle, on: self.eventLoop) }
    }

    /// Nobody takes what the peer still sends. Yamux can't say so but by a reset, which has to come behind what was said to the peer.
    ///
    /// - Parameter limit: what a peer may take that does not read.
    static func letGo(_ stream: PeerStream, within limit: TimeAmount, on eventLoop: any EventLoop) async {
        let alarm = eventLoop.scheduleTask(in: limit) { stream.reset() }
        try? await stream.finish()
        alarm.cancel()
        stream.reset()
    }

    /// Whether the stream's peer is gone, after it had said all that it will.
    private static func hasLeft(_ stream: PeerStream) -> Bool { stream.muxed.failure != nil && stream.muxed.inbound.isFinished }

    /// Breaks both ends off. From any thread.
    func cancel() {
        self.eventLoop.execute {
            if let successor = self.successor { return successor.cancel() }
            self.perform(self.course.cancelled(), because: TunnelError(.broken, "the tunnel was closed"))
        }
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        if self.isEnded { context.channel.closeAbruptly() }
        self.begin()
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.socketGone(nil)
        self.context = nil
    }

    /// What a program has said before it closed is whole, also where nobody was there to hear it.
    private func socketGone(_ cause: (any Error)?) {
        self.isSocketGone = true
        if self.stream != nil { self.perform(self.course.socketClosed(), because: Self.lost(cause)) }
    }

    private static func lost(_ cause: (any Error)?) -> TunnelError { TunnelError(.broken, "the socket was reset or lost", cause: cause) }

    private func begin() {
        guard let stream = self.stream else { return }
        self.course.moved(at: .now())
        stream.muxed.observe(self)
        while let bytes = self.early.popFirst() { self.give(bytes, to: stream) }
        if self.hasEarlyEnd { self.perform(self.course.socketEnded(at: .now()), because: nil) }
        guard let context = self.context, !self.isSocketGone else { return self.socketGone(nil) }
        self.readOn(context)
        // Also has the stream agreed on at once: whoever waits for the other side to speak first would wait for ever otherwise.
        self.look()
        self.setAlarm()
    }

    private func give(_ bytes: ByteBuffer, to stream: PeerStream) {
        if case .failed(let error) = stream.muxed.tryWrite(bytes) {
            // Nobody hears it. What the peer had said is whole, and the program may not have all of it yet.
            guard !Self.hasLeft(stream) else { return }
            return self.streamFailed(error)
        }
        self.traffic?.countOut(bytes.readableBytes)
        self.course.moved(at: .now())
    }

    private func readOn(_ context: ChannelHandlerContext) {
        guard let stream = self.stream, !self.isEnded else { return }
        let isReadHeld = stream.muxed.waitingBytes >= self.allowance.bytes
        if isReadHeld {
            self.allowance.held(at: .now())
        } else if self.isReadHeld, self.allowance.released(at: .now()) {
            try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: UInt(self.allowance.bytes / Self.piece))
        }
        self.isReadHeld = isReadHeld
        if !isReadHeld { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isEnded else { return }
        let bytes = self.unwrapInboundIn(data)
        if let stream = self.stream { self.give(bytes, to: stream) } else { self.early.append(bytes) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.readOn(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.look() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event as? ChannelEvent {
        case .inputClosed?: self.inputEnded()
        case .outputClosed?: self.isOutputClosed = true
        case nil: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func inputEnded() {
        if self.stream == nil { self.hasEarlyEnd = true } else { self.perform(self.course.socketEnded(at: .now()), because: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.socketGone(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        // NIO closes a channel of which both directions have ended, and tells of nothing else; a reset it tells of before.
        if self.isOutputClosed { self.inputEnded() }
        self.socketGone(nil)
        context.fireChannelInactive()
    }

    // MARK: The stream

    /// Something about the stream has changed.
    private func look() {
        guard !self.isEnded, let context = self.context, let stream = self.stream else { return }
        if let failure = stream.muxed.failure {
            // A part is not to be taken for the whole, so what has come of it does not matter.
            guard Self.hasLeft(stream) else { return self.streamFailed(failure) }
            self.course.peerLeft(isHurried: false, at: .now())
            self.setAlarm()
        }
        self.pull(stream, context)
        guard !self.isEnded else { return }
        if !self.course.readsStream, let failure = stream.muxed.failure { return self.streamFailed(failure) }
        if self.isReadHeld { self.readOn(context) }
    }

    /// Gives the socket what the stream has, while it takes it.
    private func pull(_ stream: PeerStream, _ context: ChannelHandlerContext) {
        guard self.course.readsStream, !self.isPulling else { return }
        self.isPulling = true
        var taken = 0
        var outcome = Pulled.all
        while taken < Self.turn {
            // The system is given what waits for it before that is called too much.
            if !context.channel.isWritable { context.flush() }
            guard !self.isEnded else { break }
            guard context.channel.isWritable else {
                outcome = .socketFull
                break
            }
            switch stream.muxed.tryRead(upTo: Self.piece) {
            case .bytes(let bytes):
                taken += 1
                self.traffic?.countIn(bytes.readableBytes)
                context.write(self.wrapOutboundOut(bytes), promise: nil)
                if taken == Self.turn { outcome = .more }
                continue
            case .wait: break
            case .end: outcome = .end
            case .failed(let error): outcome = .failed(error)
            }
            break
        }
        if taken > 0 {
            self.course.moved(at: .now())
            context.flush()
        }
        self.isPulling = false
        guard !self.isEnded else { return }
        switch outcome {
        case .all: break
        case .more: self.queueLook()
        case .socketFull:
            // The flush may have made room, and nobody tells of what has happened already.
            if context.channel.isWritable { self.queueLook() }
        case .end: self.perform(self.course.streamEnded(at: .now()), because: nil)
        case .failed(let error): self.streamFailed(error)
        }
    }

    private enum Pulled {
        case all, more, socketFull, end
        case failed(StreamError)
    }

    private func streamFailed(_ error: StreamError) {
        self.perform(self.course.streamFailed(), because: TunnelError(streamFailure: error))
    }

    // MARK: Steps

    private func perform(_ step: TunnelCourse.Step, because reason: TunnelError?) {
        switch step {
        case .nothing: break
        case .finishStream: _ = self.stream?.muxed.tryFinish()
        case .finishSocket:
            self.finishSocket {
                self.hasFinishedSocket = true
                $0.close(mode: .output, promise: nil)
            }
        case .closeWhenTaken: self.closeWhenTaken()
        case .close:
            self.end(nil)
            self.closeSocket()
        case .finishStreamAndClose:
            _ = self.stream?.muxed.tryFinish()
            self.end(nil)
            self.closeSocket()
        case .abandon:
            _ = self.stream?.muxed.tryFinish()
            self.stream?.stopReading()
            self.end(nil, .abandoned)
        case .abort:
            self.stream?.reset()
            self.end(reason)
            self.context?.channel.closeAbruptly()
        }
        self.setAlarm()
    }

    /// Runs the body once everything that was written is with the system.
    private func finishSocket(_ then: @escaping @Sendable (any Channel) -> Void) {
        guard let context = self.context else { return }
        let channel = context.channel
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).whenComplete { _ in then(channel) }
    }

    /// Closes the socket behind all that it was given, or when the program has taken nothing of that for too long.
    private func closeSocket() {
        guard let channel = self.context?.channel else { return }
        self.finishSocket { $0.close(promise: nil) }
        guard channel.isActive else { return }
        let alarm = self.eventLoop.scheduleTask(in: self.halfClosedIdle) { channel.closeAbruptly() }
        channel.closeFuture.whenComplete { _ in alarm.cancel() }
    }

    /// Bytes that the system has for the program; nil where it does not say.
    private var untaken: Int? {
        let count = try? self.context?.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            SocketQueue.untaken(of: $0)
        }
        return count ?? nil
    }

    /// What the program has taken of what the system has for it is movement, too: a socket takes more only when much of that is gone.
    private func noteTaken() {
        guard let untaken = self.untaken, untaken != self.lastUntaken else { return }
        if untaken > 0 || self.lastUntaken != nil { self.course.moved(at: .now()) }
        self.lastUntaken = untaken
    }

    /// A close throws away what the program has not taken, where it still speaks.
    private func closeWhenTaken() {
        guard !self.isEnded, self.takingLook == nil else { return }
        if self.hasFinishedSocket, self.untaken ?? 0 == 0 { return self.perform(self.course.taken(), because: nil) }
        self.noteTaken()
        self.takingLook = self.eventLoop.scheduleTask(in: Self.takingPause) {
            self.takingLook = nil
            self.closeWhenTaken()
        }
    }

    private func end(_ reason: TunnelError?, _ ending: Ending = .complete) {
        guard !self.isEnded else { return }
        self.isEnded = true
        self.takingLook?.cancel()
        self.takingLook = nil
        self.alarm?.cancel()
        self.alarm = nil
        self.stream?.muxed.observe(nil)
        // The flow's place is free, and whoever waits for the end has the stream himself.
        self.stream = nil
        self.place = nil
        self.early.removeAll()
        if let reason { self.ending.fail(reason) } else { self.ending.succeed(ending) }
    }

    // MARK: Time

    /// One alarm at most, which is set anew only when it has come: bytes cost none.
    private func setAlarm() {
        guard !self.isEnded, let deadline = self.course.deadline else { return }
        if let alarm = self.alarm {
            guard deadline < self.alarmDeadline else { return }
            alarm.cancel()
        }
        self.alarmDeadline = deadline
        self.alarm = self.eventLoop.scheduleTask(deadline: deadline) {
            self.alarm = nil
            self.noteTaken()
            self.perform(self.course.passed(at: .now()), because: TunnelError(.timedOut, "nothing went through the tunnel for too long"))
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

extension TunnelPump: MuxedStreamObserver {
    func streamChanged() { self.queueLook() }
}

extension Channel {
    /// Closes with a reset where the system has one, so that nobody takes what came for all that there was. On the event loop.
    func closeAbruptly() {
        // On the loop, it is done when this returns.
        _ = (self as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        self.close(promise: nil)
    }
}
