import NIOCore
import P2PCore
import P2PPipeline

/// Runs a ``YamuxSession`` between the records of a channel and the streams of a ``MuxerConnection``.
final class YamuxHandler: ChannelInboundHandler, MuxerHandler {
    typealias InboundIn = ByteBuffer

    enum Phase {
        case running
        /// Streams have ended; the last record is on its way, and what arrives is dropped.
        case leaving
        case over
    }

    /// A peer has so long to close behind our goodbye, then the channel is closed under it.
    static let farewell = TimeAmount.seconds(1)
    /// A peer that said goodbye has so long to take the last bytes of its streams.
    static let lastWords = TimeAmount.seconds(10)

    let connection: MuxerConnection
    let records: any RecordWriter
    let configuration: YamuxConfiguration
    var session: YamuxSession
    private var reader: YamuxFrameReader
    private var phase = Phase.running
    private var context: ChannelHandlerContext?
    private var alarm: (deadline: NIODeadline, callback: NIOScheduledCallback?)?
    /// Why the connection is to end when its last stream has.
    private var farewellReason: (error: ConnectionError, isOurs: Bool, until: NIODeadline)?

    /// Every stream that has an id.
    var streams: [UInt32: MuxedStream] = [:]
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

    init(connection: MuxerConnection, records: any RecordWriter, configuration: YamuxConfiguration, budget: MemoryBudget) {
        self.connection = connection
        self.records = records
        self.configuration = configuration
        self.reader = YamuxFrameReader(maximumFrameLength: configuration.maximumFrameLength)
        self.session = YamuxSession(
            role: connection.info.role, configuration: configuration, budget: budget, now: connection.channel.eventLoop.now)
    }

    var now: NIODeadline { self.connection.channel.eventLoop.now }
    var isRunning: Bool { self.phase == .running }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.connection.handler = self
        self.tick()
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

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        guard self.isRunning else { return }
        let now = self.now
        self.connection.expectWork()
        self.connection.received(bytes.readableBytes)
        self.session.heard(at: now)
        do throws(YamuxViolation) {
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

    private func decide(_ decision: YamuxSession.OnFrame, at now: NIODeadline) {
        switch decision {
        case .none: break
        case .stream(let id, let events, let code): self.apply(events, to: id, code: code, at: now)
        case .goAway(let code): self.peerGoesAway(code)
        case .fail(let violation): self.fail(violation)
        }
    }

    private func deliver(_ piece: ByteBuffer, at now: NIODeadline) {
        let count = piece.readableBytes
        guard case .deliver(let id, let events) = self.session.receivedBody(count), let stream = self.streams[id] else { return }
        let discarded = stream.receive(piece)
        self.apply(events, to: id, code: 0, at: now)
        if discarded > 0, self.session.discard(discarded, on: id, at: now) {
            stream.fail(StreamError(.stoppedReading, "the peer sent on after this side had finished and stopped reading"))
            self.forget(id)
        }
    }

    private func apply(_ events: YamuxStreamEvents, to id: UInt32, code: UInt32, at now: NIODeadline) {
        if events.isEmpty { return }
        if events.contains(.opened) { self.accept(id, at: now) }
        if events.contains(.acknowledged) { self.admitOne() }
        guard let stream = self.streams[id] else { return }
        if events.contains(.credited) { self.makeReady(stream) }
        if events.contains(.finished) { stream.receiveFinish() }
        if events.contains(.reset) {
            stream.fail(StreamError(.reset, "the peer reset the stream", resetCode: StreamErrorCode(rawValue: code)))
        }
        if events.contains(.closed) { self.forget(id) }
    }

    private func accept(_ id: UInt32, at now: NIODeadline) {
        let stream = MuxedStream(id: UInt64(id), driver: self.connection, creditThreshold: self.session.creditThreshold(of: id))
        self.streams[id] = stream
        guard !self.connection.accept(stream) else { return }
        self.forget(id)
        self.decide(self.session.refuse(id, at: now), at: now)
    }

    private func peerGoesAway(_ code: YamuxGoAwayCode) {
        let reason =
            code == .normal
            ? ConnectionError(.closedByPeer, "the peer of \(self.connection.info) said goodbye")
            : ConnectionError(.closedByPeer, "the peer of \(self.connection.info) ended it with GoAway code \(code.rawValue)")
        guard code == .normal else {
            self.leave(reason, isOurs: false, saying: nil)
            return
        }
        self.connection.refuseStreams(
            ConnectionError(.goingAway, "the peer of \(self.connection.info) takes no new streams", cause: reason))
        if self.farewellReason == nil { self.farewellReason = (reason, false, .distantFuture) }
        self.leaveIfDrained()
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
    func forget(_ id: UInt32) {
        guard self.streams.removeValue(forKey: id) != nil else { return }
        self.connection.streamEnded()
        self.admitOne()
        self.leaveIfDrained()
    }

    /// A stream that waits for room may try again.
    private func admitOne() {
        guard let stream = self.waiting.popFirst() else { return }
        stream.isReady = false
        self.makeReady(stream)
    }

    // MARK: Time

    func tick() {
        guard self.isRunning else { return }
        let now = self.now
        self.alarm = nil
        for id in self.session.abandonLingering(at: now) { self.forget(id) }
        switch self.session.tick(at: now) {
        case .wait(let until):
            if let until { self.wake(by: until) }
        case .ping(_, let until):
            self.wake(by: until)
        case .dead:
            self.end(
                ConnectionError(.keepAliveTimedOut, "\(self.connection.info) did not answer for \(self.configuration.keepAliveTimeout)"))
            self.context?.close(promise: nil)
            return
        }
        if let linger = self.session.lingerDeadline(after: now) { self.wake(by: linger) }
        self.drain()
    }

    /// Makes sure that ``tick()`` is called then, if not before.
    func wake(by deadline: NIODeadline) {
        if let alarm = self.alarm, alarm.deadline <= deadline { return }
        self.alarm?.callback?.cancel()
        let callback = try? self.connection.channel.eventLoop.scheduleCallback(at: deadline, handler: self.connection)
        self.alarm = (deadline, callback)
    }

    // MARK: The end

    /// Our side closes: at once, or when the streams have ended or `grace` is over.
    func close(_ code: ConnectionErrorCode, grace: TimeAmount) {
        guard self.isRunning else { return }
        let reason = ConnectionError(.closed, "this side closed \(self.connection.info)")
        guard grace > .zero else {
            self.leave(reason, isOurs: true, saying: .init(code))
            return
        }
        self.connection.refuseStreams(reason)
        self.farewellReason = (reason, true, self.now + grace)
        self.session.goAway(.init(code))
        self.drain()
        self.leaveIfDrained()
        let connection = self.connection
        connection.channel.eventLoop.scheduleTask(in: grace) {
            (connection.handler as? YamuxHandler)?.leave(reason, isOurs: true, saying: nil)
        }
    }

    private func fail(_ violation: YamuxViolation) {
        let reason = ConnectionError(.protocolViolation, "the peer of \(self.connection.info) broke yamux: \(violation)")
        self.leave(reason, isOurs: false, saying: .protocolError)
    }

    /// Closes a connection on which somebody has said goodbye, once no stream is left.
    func leaveIfDrained() {
        guard self.isRunning, !self.isDraining, self.session.isDrained, self.unopened.isEmpty,
            let (error, isOurs, until) = self.farewellReason
        else { return }
        self.leave(error, isOurs: isOurs, saying: .normal, within: min(until - self.now, Self.lastWords))
    }

    /// Ends every stream, says goodbye and closes the channel behind that, or soon.
    ///
    /// - Parameter time: how long what streams have finished may take to leave, if that is more than ``farewell``.
    fileprivate func leave(
        _ reason: ConnectionError, isOurs: Bool, saying code: YamuxGoAwayCode?, within time: TimeAmount = .zero
    ) {
        guard self.isRunning else { return }
        if let code { self.session.goAway(code) }
        self.end(reason, isOurs: isOurs)
        self.phase = .leaving
        let channel = self.connection.channel
        let farewell = channel.eventLoop.makePromise(of: Void.self)
        // Output closes behind everything that was written before.
        let left = farewell.futureResult.flatMap { channel.close(mode: .output) }
        left.whenFailure { _ in channel.close(promise: nil) }
        self.writeFarewell(promise: farewell)
        self.closeChannel(in: max(time, Self.farewell))
        if time > Self.farewell { left.assumeIsolated().whenSuccess { self.closeChannel(in: Self.farewell) } }
    }

    private func closeChannel(in time: TimeAmount) {
        let connection = self.connection
        connection.channel.eventLoop.scheduleTask(in: time) {
            if connection.handler != nil { connection.channel.close(promise: nil) }
        }
    }

    /// Tells everybody why the connection is over. Only the first reason counts.
    private func end(_ reason: ConnectionError, isOurs: Bool = false) {
        guard self.isRunning else { return }
        self.phase = .over
        self.alarm?.callback?.cancel()
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
        let reason = self.farewellReason ?? (ConnectionError(.lost, "\(self.connection.info) ended without a goodbye"), false, self.now)
        self.end(reason.error, isOurs: reason.isOurs)
        self.phase = .over
        self.connection.handler = nil
        self.context = nil
    }
}
