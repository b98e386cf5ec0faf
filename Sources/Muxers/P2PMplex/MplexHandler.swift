import NIOCore
import P2PCore
import P2PPipeline

/// Runs a ``MplexSession`` between the records of a channel and the streams of a ``MuxerConnection``.
final class MplexHandler: ChannelDuplexHandler, MuxerHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    enum Phase {
        case running
        /// Streams have ended; the last record is on its way, and what arrives is dropped.
        case leaving
        case over
    }

    /// A peer has so long to take our last record, then the channel is closed under it.
    static let farewell = TimeAmount.seconds(1)

    let connection: MuxerConnection
    let records: any RecordWriter
    let configuration: MplexConfiguration
    var session: MplexSession
    private var reader = MplexFrameReader()
    private var phase = Phase.running
    private var context: ChannelHandlerContext?
    private var alarm: (callback: NIOScheduledCallback, deadline: NIODeadline)?
    /// The channel wanted to read while the session waited for readers.
    private var isReadHeld = false
    /// Why the connection is to end when its last stream has.
    private var closing: ConnectionError?

    /// Every stream that has an id.
    var streams: [MplexStreamID: MuxedStream] = [:]
    /// Streams of ours that have none yet.
    var unopened: [ObjectIdentifier: MuxedStream] = [:]
    /// Streams to drain, each once.
    var ready = CircularBuffer<MuxedStream>(initialCapacity: 1)
    /// Streams of ours for which the session has no room yet.
    var waiting = CircularBuffer<MuxedStream>(initialCapacity: 1)
    /// Half-closes in records that are not flushed yet.
    var finishing: [MuxedStream] = []
    var isDraining = false
    private var work: [MuxedStream] = []
    private var fresh: [MuxedStream] = []

    init(connection: MuxerConnection, records: any RecordWriter, configuration: MplexConfiguration) {
        self.connection = connection
        self.records = records
        self.configuration = configuration
        self.session = MplexSession(configuration: configuration, now: connection.channel.eventLoop.now)
    }

    var now: NIODeadline { self.connection.channel.eventLoop.now }
    var isRunning: Bool { self.phase == .running }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.connection.handler = self
        self.drain()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.channelIsGone()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.channelIsGone()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let isTransport = error is IOError || error is ChannelError || !context.channel.isActive
        self.end(
            isTransport
                ? ConnectionError(.lost, "\(self.connection.info) broke", cause: error)
                : ConnectionError(.protocolViolation, "\(self.connection.info) could not be read", cause: error))
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func read(context: ChannelHandlerContext) {
        if self.isRunning, self.session.isWaitingForReaders { self.isReadHeld = true } else { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        guard self.isRunning else { return }
        let now = self.now
        self.connection.expectWork()
        self.connection.received(bytes.readableBytes)
        do throws(MplexViolation) {
            while self.isRunning, let part = try self.reader.next(from: &bytes) {
                switch part {
                case .header(let header): self.decide(self.session.received(header, at: now), at: now)
                case .body(let piece): self.deliver(piece, at: now)
                }
            }
        } catch {
            self.fail(error)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.connection.jobs.runPending()
        self.drain()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.drain() }
        context.fireChannelWritabilityChanged()
    }

    // MARK: What arrives

    private func decide(_ decision: MplexSession.OnFrame, at now: NIODeadline) {
        switch decision {
        case .none: break
        case .stream(let id, let events): self.apply(events, to: id, at: now)
        case .fail(let violation): self.fail(violation)
        }
    }

    private func apply(_ events: MplexStreamEvents, to id: MplexStreamID, at now: NIODeadline) {
        if events.contains(.opened) { self.accept(id, at: now) }
        guard let stream = self.streams[id] else { return }
        if events.contains(.finished) { stream.receiveFinish() }
        if events.contains(.reset) { stream.fail(StreamError(.reset, "the peer reset the stream")) }
        if events.contains(.closed) { self.forget(id) }
    }

    private func accept(_ id: MplexStreamID, at now: NIODeadline) {
        let stream = MuxedStream(
            id: id.rawValue, driver: self.connection, creditThreshold: MplexConfiguration.reportedConsumption)
        self.streams[id] = stream
        guard !self.connection.accept(stream) else { return }
        self.forget(id)
        self.decide(self.session.refuse(id, at: now), at: now)
    }

    private func deliver(_ piece: ByteBuffer, at now: NIODeadline) {
        guard case .deliver(let id) = self.session.receivedBody(), let stream = self.streams[id] else { return }
        let discarded = stream.receive(piece)
        guard discarded > 0 else {
            self.noteUnread(of: stream, id, at: now)
            return
        }
        guard self.session.discard(discarded, on: id) else { return }
        stream.fail(StreamError(.stoppedReading, "the peer sent on after this side had finished and stopped reading"))
        self.forget(id)
    }

    // MARK: Readers

    /// Tells the session how much waits on a stream, and does what follows.
    func noteUnread(of stream: MuxedStream, _ id: MplexStreamID, at now: NIODeadline) {
        let decision = self.session.noteUnread(stream.unreadBytes, on: id, at: now)
        if decision == .recount { self.recount(at: now) } else { self.decide(decision) }
    }

    private func recount(at now: NIODeadline) {
        for (id, stream) in self.streams { self.decide(self.session.noteUnread(stream.unreadBytes, on: id, at: now)) }
        self.decide(self.session.recounted(at: now))
    }

    private func decide(_ decision: MplexSession.OnUnread) {
        switch decision {
        case .none, .recount: break
        case .overflow(let id):
            guard let stream = self.streams[id] else { return }
            stream.fail(StreamError(.resourceLimit, "the stream was reset: more than fits waited for its reader (maximumUnread)"))
            // What waits goes at once; the failure stays as it is.
            stream.reset(.resourceLimitExceeded)
            self.forget(id)
        case .fail(let violation): self.fail(violation)
        }
    }

    // MARK: Streams

    /// Queues a stream for draining, once.
    func makeReady(_ stream: MuxedStream) {
        guard !stream.isReady else { return }
        stream.isReady = true
        self.ready.append(stream)
    }

    /// Takes over what streams have signalled.
    func collectWork() {
        self.connection.takeWork(&self.work, fresh: &self.fresh)
        for stream in self.fresh { self.unopened[ObjectIdentifier(stream)] = stream }
        for stream in self.work { self.makeReady(stream) }
        self.fresh.removeAll(keepingCapacity: true)
        self.work.removeAll(keepingCapacity: true)
    }

    /// The session has forgotten a stream.
    func forget(_ id: MplexStreamID) {
        guard self.streams.removeValue(forKey: id) != nil else { return }
        self.connection.streamEnded()
        if let stream = self.waiting.popFirst() {
            stream.isReady = false
            self.makeReady(stream)
        }
        self.leaveIfDrained()
    }

    // MARK: Time

    func tick() {
        self.alarm = nil
        guard self.isRunning else { return }
        let now = self.now
        self.recount(at: now)
        for id in self.session.tick(at: now) { self.forget(id) }
        self.drain()
    }

    /// Lets the channel read again, or sees to it that somebody looks later.
    func settle() {
        guard self.isRunning else { return }
        if self.isReadHeld, !self.session.isWaitingForReaders {
            self.isReadHeld = false
            self.context?.read()
        }
        guard let deadline = self.session.deadline, self.alarm.map({ deadline < $0.deadline }) ?? true else { return }
        self.alarm?.callback.cancel()
        self.alarm = (try? self.connection.channel.eventLoop.scheduleCallback(at: deadline, handler: self.connection))
            .map { ($0, deadline) }
    }

    // MARK: The end

    /// Our side closes: at once, or when the streams have ended or `grace` is over.
    func close(_ code: ConnectionErrorCode, grace: TimeAmount) {
        guard self.isRunning else { return }
        let reason = ConnectionError(.closed, "this side closed \(self.connection.info)")
        guard grace > .zero else {
            self.leave(reason, isOurs: true)
            return
        }
        self.connection.refuseStreams(reason)
        self.closing = reason
        self.session.startClosing()
        self.drain()
        let connection = self.connection
        connection.channel.eventLoop.scheduleTask(in: grace) {
            (connection.handler as? MplexHandler)?.leave(reason, isOurs: true)
        }
    }

    private func fail(_ violation: MplexViolation) {
        self.leave(ConnectionError(.protocolViolation, "the peer of \(self.connection.info) broke mplex: \(violation)"), isOurs: false)
    }

    /// Closes a connection on which we have stopped taking streams, once none is left.
    func leaveIfDrained() {
        guard self.isRunning, !self.isDraining, self.session.isDrained, self.unopened.isEmpty, let reason = self.closing else { return }
        self.leave(reason, isOurs: true)
    }

    /// Ends every stream and closes the channel behind what is still to be said, or soon.
    fileprivate func leave(_ reason: ConnectionError, isOurs: Bool) {
        guard self.isRunning else { return }
        self.end(reason, isOurs: isOurs)
        self.phase = .leaving
        let channel = self.connection.channel
        let farewell = channel.eventLoop.makePromise(of: Void.self)
        farewell.futureResult.flatMap { channel.close(mode: .output) }.whenFailure { _ in channel.close(promise: nil) }
        self.writeFarewell(promise: farewell)
        // Whoever closes in answer is to be heard.
        if self.isReadHeld { self.context?.read() }
        let connection = self.connection
        channel.eventLoop.scheduleTask(in: Self.farewell) {
            if connection.handler != nil { connection.channel.close(promise: nil) }
        }
    }

    /// Tells everybody why the connection is over. Only the first reason counts.
    private func end(_ reason: ConnectionError, isOurs: Bool = false) {
        guard self.isRunning else { return }
        self.phase = .over
        self.alarm?.callback.cancel()
        self.alarm = nil
        let unseen = self.connection.end(reason, isOurs: isOurs)
        let error = StreamError(.connectionLost, reason.message, cause: reason)
        for stream in self.streams.values { stream.fail(error) }
        for stream in self.unopened.values { stream.fail(error) }
        for stream in unseen { stream.fail(error) }
        self.streams = [:]
        self.unopened = [:]
        self.ready.removeAll()
        self.waiting.removeAll()
        self.finishing.removeAll()
    }

    private func channelIsGone() {
        self.end(self.closing ?? ConnectionError(.lost, "\(self.connection.info) ended"), isOurs: self.closing != nil)
        self.phase = .over
        self.connection.handler = nil
        self.context = nil
    }
}
