import NIOCore
import P2PCore
import P2PMuxing
import P2PPipeline

/// Runs a ``MplexSession`` between the records of a channel and the streams of a ``MuxerConnection``.
final class MplexHandler: RecordMuxer, ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    let side: MuxerChannel
    let configuration: MplexConfiguration
    // While one of these values changes, it calls nobody who would touch it (Specs/Architecture.md, "The data path").
    @exclusivity(unchecked) var session: MplexSession
    @exclusivity(unchecked) private var reader = MplexFrameReader()
    private var alarm = MuxerAlarm()
    /// The channel wanted to read while the session waited for readers.
    private var isReadHeld = false
    /// Why the connection is to end when its last stream has.
    private var closing: ConnectionError?
    @exclusivity(unchecked) var streams = StreamTable<MplexStreamID, MuxedStream>()
    @exclusivity(unchecked) var news = MuxerNews()

    init(_ channel: any Channel, connection: MuxerConnection, records: any RecordWriter, configuration: MplexConfiguration) {
        self.side = MuxerChannel(channel, connection: connection, records: records)
        self.configuration = configuration
        self.session = MplexSession(configuration: configuration, now: channel.eventLoop.now)
    }

    var connection: MuxerConnection { self.side.connection }
    private var isRunning: Bool { self.side.isRunning }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.side.begin(context)
        self.connection.handler = self
        self.drain()
    }

    func read(context: ChannelHandlerContext) {
        if self.isRunning, self.session.isWaitingForReaders { self.isReadHeld = true } else { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        guard self.isRunning else { return }
        let now = self.side.now
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
        let stream = self.connection.makeInbound(creditThreshold: MplexConfiguration.reportedConsumption)
        self.streams.insert(stream, at: stream.slot, id: id)
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
        for (id, stream) in self.streams.opened { self.decide(self.session.noteUnread(stream.unreadBytes, on: id, at: now)) }
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

    func number(of stream: MuxedStream) -> UInt64? {
        self.streams.stream(at: stream.slot) === stream ? self.streams.id(at: stream.slot)?.rawValue : nil
    }

    /// The session has forgotten a stream.
    func forget(_ id: MplexStreamID) {
        guard let slot = self.streams.remove(id) else { return }
        self.connection.streamEnded(at: slot)
        self.streams.admitOne()
        self.leaveIfIdle()
    }

    // MARK: Time

    func tick() {
        self.alarm.rang()
        guard self.isRunning else { return }
        let now = self.side.now
        self.recount(at: now)
        for id in self.session.tick(at: now) { self.forget(id) }
        self.drain()
    }

    /// Leaves if there is no reason to stay; else lets the channel read again, or sees to it that somebody looks later.
    func settle() {
        self.leaveIfIdle()
        guard self.isRunning else { return }
        if self.isReadHeld, !self.session.isWaitingForReaders {
            self.isReadHeld = false
            self.side.context?.read()
        }
        if let deadline = self.session.deadline { self.alarm.set(deadline, on: self.connection.eventLoop, waking: self.connection) }
    }

    // MARK: The end

    private func fail(_ violation: MplexViolation) {
        self.leave(ConnectionError(.protocolViolation, "the peer of \(self.connection.info) broke mplex: \(violation)"), isOurs: false)
    }

    func sayGoodbye(_ code: ConnectionErrorCode, by deadline: NIODeadline, reason: ConnectionError) {
        self.closing = reason
        self.session.startClosing()
    }

    /// Leaves a connection on which we have stopped taking streams, once none is left.
    private func leaveIfIdle() {
        guard self.isRunning, !self.side.isDraining, self.session.isIdle, self.streams.isEmpty, let reason = self.closing else { return }
        self.leave(reason, isOurs: true)
    }

    var ending: (error: ConnectionError, isOurs: Bool) {
        (self.closing ?? ConnectionError(.lost, "\(self.connection.info) ended"), self.closing != nil)
    }

    func takeStreams() -> [MuxedStream] {
        self.alarm.cancel()
        return self.streams.removeAll()
    }

    func lastRecordLeft() {
        // Whoever closes in answer is to be heard.
        if self.isReadHeld { self.side.context?.read() }
    }
}
