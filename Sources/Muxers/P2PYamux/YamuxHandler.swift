import NIOCore
import P2PCore
import P2PMuxing
import P2PPipeline

/// Runs a ``YamuxSession`` between the records of a channel and the streams of a ``MuxerConnection``.
final class YamuxHandler: RecordMuxer {
    typealias InboundIn = ByteBuffer

    /// How long streams may take, at most, until their last bytes have left, before the channel is closed under them.
    static let drainTimeout = TimeAmount.seconds(10)

    let side: MuxerChannel
    let configuration: YamuxConfiguration
    // While one of these values changes, it calls nobody who would touch it (Specs/Architecture.md, "The data path").
    @exclusivity(unchecked) var session: YamuxSession
    @exclusivity(unchecked) private var reader: YamuxFrameReader
    private var alarm = MuxerAlarm()
    /// Why the connection is to end when its last stream has, and until when that has to be.
    private var farewell: (error: ConnectionError, isOurs: Bool, until: NIODeadline)?
    @exclusivity(unchecked) var streams = StreamTable<UInt32, MuxedStream>()
    @exclusivity(unchecked) var news = MuxerNews()

    init(
        _ channel: any Channel, connection: MuxerConnection, records: any RecordWriter, configuration: YamuxConfiguration,
        budget: MemoryBudget
    ) {
        self.side = MuxerChannel(channel, connection: connection, records: records)
        self.configuration = configuration
        self.reader = YamuxFrameReader(maximumFrameLength: configuration.maximumFrameLength)
        self.session = YamuxSession(role: connection.info.role, configuration: configuration, budget: budget, now: channel.eventLoop.now)
    }

    var connection: MuxerConnection { self.side.connection }
    private var isRunning: Bool { self.side.isRunning }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.side.begin(context)
        self.connection.handler = self
        self.tick()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        guard self.isRunning else { return }
        let now = self.side.now
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
        if events.contains(.acknowledged) { self.streams.admitOne() }
        guard let slot = self.streams.slot(of: id), let stream = self.streams.stream(at: slot) else { return }
        if events.contains(.credited) { self.streams.makeReady(slot) }
        if events.contains(.finished) { stream.receiveFinish() }
        if events.contains(.reset) {
            stream.fail(StreamError(.reset, "the peer reset the stream", resetCode: StreamErrorCode(rawValue: code)))
        }
        if events.contains(.closed) { self.forget(id) }
    }

    private func accept(_ id: UInt32, at now: NIODeadline) {
        let stream = self.connection.makeInbound(creditThreshold: self.session.creditThreshold(of: id))
        self.streams.insert(stream, at: stream.slot, id: id)
        guard !self.connection.accept(stream) else { return }
        self.forget(id)
        self.decide(self.session.refuse(id, at: now), at: now)
    }

    private func peerGoesAway(_ code: YamuxGoAwayCode) {
        let reason =
            code == .normal
            ? ConnectionError(.closedByPeer, about: self.connection.info) { "the peer of \($0) said goodbye" }
            : ConnectionError(.closedByPeer, "the peer of \(self.connection.info) ended it with GoAway code \(code.rawValue)")
        guard code == .normal else {
            self.leave(reason, isOurs: false)
            return
        }
        self.connection.refuseStreams(
            ConnectionError(.goingAway, about: self.connection.info, cause: reason) { "the peer of \($0) takes no new streams" })
        if self.farewell == nil { self.farewell = (reason, false, .distantFuture) }
        // Whoever waits to open a stream is told now.
        self.streams.admitOne()
        self.settle()
    }

    // MARK: Streams

    func number(of stream: MuxedStream) -> UInt64? {
        self.streams.stream(at: stream.slot) === stream ? self.streams.id(at: stream.slot).map(UInt64.init) : nil
    }

    /// The session has forgotten a stream.
    func forget(_ id: UInt32) {
        guard let slot = self.streams.remove(id) else { return }
        self.connection.streamEnded(at: slot)
        self.streams.admitOne()
        self.settle()
    }

    // MARK: Time

    func probe() {
        guard self.isRunning else { return }
        self.session.probe(at: self.side.now)
        self.drain()
    }

    func tick() {
        guard self.isRunning else { return }
        let now = self.side.now
        self.alarm.rang()
        if let roundTrip = self.session.roundTrip { self.connection.measured(roundTrip: roundTrip) }
        for id in self.session.abandonLingering(at: now) { self.forget(id) }
        switch self.session.tick(at: now) {
        case .wait(let until):
            if let until { self.wake(by: until) }
        case .ping(_, let until):
            self.wake(by: until)
        case .dead:
            self.end(
                ConnectionError(.keepAliveTimedOut, "\(self.connection.info) did not answer for \(self.configuration.keepAliveTimeout)"))
            self.side.channel.close(promise: nil)
            return
        }
        if let linger = self.session.lingerDeadline(after: now) { self.wake(by: linger) }
        self.drain()
    }

    /// Makes sure that ``tick()`` is called then, if not before.
    func wake(by deadline: NIODeadline) {
        self.alarm.set(deadline, on: self.connection.eventLoop, waking: self.connection)
    }

    // MARK: The end

    private func fail(_ violation: YamuxViolation) {
        self.session.goAway(.protocolError)
        self.leave(
            ConnectionError(.protocolViolation, "the peer of \(self.connection.info) broke yamux: \(violation)"), isOurs: false)
    }

    func sayGoodbye(_ code: ConnectionErrorCode, by deadline: NIODeadline, reason: ConnectionError) {
        self.farewell = (reason, true, deadline)
        self.session.goAway(.init(code))
    }

    /// Leaves a connection on which somebody has said goodbye, once no stream is left.
    func settle() {
        guard self.isRunning, !self.side.isDraining, self.session.isIdle, self.streams.isEmpty, let (error, isOurs, until) = self.farewell
        else { return }
        self.session.goAway(.normal)
        self.leave(error, isOurs: isOurs, within: min(until - self.side.now, Self.drainTimeout))
    }

    var ending: (error: ConnectionError, isOurs: Bool) {
        self.farewell.map { ($0.error, $0.isOurs) }
            ?? (ConnectionError(.lost, about: self.connection.info) { "\($0) ended without a goodbye" }, false)
    }

    func takeStreams() -> [MuxedStream] {
        self.alarm.cancel()
        return self.streams.removeAll()
    }

    func lastRecordLeft() {}
}
