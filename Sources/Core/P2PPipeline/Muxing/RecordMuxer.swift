package import NIOCore
package import P2PCore
package import P2PMuxing

/// The driver of a muxer whose frames travel in records: what yamux and mplex do alike. Confined to the event loop.
///
/// The muxer pulls: streams only signal that they have something, and nothing is queued between them and the record.
package protocol RecordMuxer: MuxerHandler, ChannelInboundHandler {
    var side: MuxerChannel { get }
    /// Bytes that the frames of the session take which belong to no stream.
    var controlBytes: Int { get }
    /// Bytes that the ready streams want to write, with their frames; counted no further than `maximum`.
    func readyBytes(upTo maximum: Int) -> Int
    /// Takes over what streams have signalled.
    func collectNews()
    /// Puts frames of the session into a record, as many as fit.
    func writeControl(to record: inout MuxerRecord, at now: NIODeadline)
    /// Gives the ready streams their turns, while there is room.
    func writeStreams(to record: inout MuxerRecord, at now: NIODeadline)
    /// Everything that could be written was: leaves if there is no reason to stay.
    func settle()

    /// Our side takes no new streams; the peer is told if the protocol has a word for it.
    func sayGoodbye(_ code: ConnectionErrorCode, by deadline: NIODeadline, reason: ConnectionError)
    /// Why the connection is over when the channel is gone, and whether we wanted that.
    var ending: (error: ConnectionError, isOurs: Bool) { get }
    /// The connection is over: no timer is set any more, and the streams are whoever's who asks.
    func takeStreams() -> [MuxedStream]
    /// The last record is on its way.
    func lastRecordLeft()
}

extension RecordMuxer {
    /// Bytes that a connection writes before others have their turn.
    static var share: Int { 256 * 1_024 }
    /// How long the peer may take to close behind our last record, before the channel is closed under it.
    package static var closeTimeout: TimeAmount { .seconds(1) }

    // MARK: The channel

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.channelIsGone()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        self.channelIsGone()
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let info = self.side.connection.info
        if let ending = error as? StreamError {
            // The channel is a stream of another connection.
            self.end(ConnectionError(.lost, "\(info) broke: \(ending.message)", cause: ending.cause))
            return context.close(promise: nil)
        }
        let isTransport = error is IOError || error is ChannelError || !context.channel.isActive
        self.end(
            isTransport
                ? ConnectionError(.lost, "\(info) broke", cause: error)
                : ConnectionError(.protocolViolation, "\(info) could not be read", cause: error))
        context.close(promise: nil)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        self.side.connection.jobs.runPending()
        self.side.countPartial()
        self.drain()
        context.fireChannelReadComplete()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.drain() }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Writing

    /// Writes what streams and session have, while the channel takes it and the turn is ours.
    package func drain() {
        let side = self.side
        guard side.isRunning, !side.isDraining else { return }
        side.isDraining = true
        let jobs = side.connection.jobs
        var (written, hasWritten, isCut) = (0, true, false)
        while hasWritten, side.isRunning {
            hasWritten = false
            self.collectNews()
            while side.channel.isWritable {
                isCut = written >= Self.share || jobs.isTurnOver
                let size = isCut ? 0 : self.writeRecord(side, at: side.now)
                guard size > 0 else { break }
                hasWritten = true
                written += size
                jobs.spend(bytes: size)
            }
            guard hasWritten else { break }
            side.flush()
        }
        side.isDraining = false
        side.countWaiting()
        if isCut { side.connection.comeBack() } else { self.settle() }
    }

    /// Fills and writes one record: frames of the session first, then the ready streams in turn. Zero when there is nothing.
    private func writeRecord(_ side: MuxerChannel, at now: NIODeadline) -> Int {
        let control = self.controlBytes
        let payload = control < side.maximumPayload ? control + self.readyBytes(upTo: side.maximumPayload - control) : control
        return side.write(payload: payload) { record in
            self.writeControl(to: &record, at: now)
            self.writeStreams(to: &record, at: now)
        }
    }

    // MARK: The end

    /// Our side closes: at once, or when the streams have ended or `grace` is over.
    package func close(_ code: ConnectionErrorCode, grace: TimeAmount) {
        guard self.side.isRunning else { return }
        let connection = self.side.connection
        let reason = ConnectionError(.closed, about: connection.info) { "this side closed \($0)" }
        let deadline = self.side.now + grace
        self.sayGoodbye(code, by: deadline, reason: reason)
        guard grace > .zero else { return self.leave(reason, isOurs: true) }
        connection.refuseStreams(reason)
        self.drain()
        self.side.channel.eventLoop.scheduleTask(deadline: deadline) {
            (connection.handler as? any RecordMuxer)?.leave(reason, isOurs: true)
        }
    }

    /// Ends every stream, writes what the session has to say and closes the channel behind that, or soon.
    ///
    /// - Parameter time: how long what streams have finished may take to leave, if that is more than ``closeTimeout``.
    package func leave(_ reason: ConnectionError, isOurs: Bool, within time: TimeAmount = .zero) {
        let side = self.side
        guard side.isRunning else { return }
        self.end(reason, isOurs: isOurs)
        side.phase = .leaving
        let channel = side.channel
        let farewell = channel.eventLoop.makePromise(of: Void.self)
        // Output closes behind everything that was written before.
        let left = farewell.futureResult.flatMap { channel.close(mode: .output) }
        left.whenFailure { _ in channel.close(promise: nil) }
        // Whether or not the channel is writable.
        let size = side.write(payload: self.controlBytes, promise: farewell) { self.writeControl(to: &$0, at: side.now) }
        if size > 0 { side.records.flush() } else { farewell.succeed() }
        self.lastRecordLeft()
        side.close(in: max(time, Self.closeTimeout))
        if time > Self.closeTimeout { left.assumeIsolated().whenSuccess { side.close(in: Self.closeTimeout) } }
    }

    /// Tells everybody why the connection is over. Only the first reason counts.
    package func end(_ reason: ConnectionError, isOurs: Bool = false) {
        guard self.side.isRunning else { return }
        self.side.phase = .over
        self.side.finishing.removeAll()
        self.side.connection.end(reason, isOurs: isOurs, streams: self.takeStreams())
    }

    private func channelIsGone() {
        let (error, isOurs) = self.ending
        self.end(error, isOurs: isOurs)
        self.side.phase = .over
        self.side.countWaiting(isGone: true)
        self.side.countPartial(isGone: true)
        self.side.connection.handler = nil
        self.side.context = nil
    }
}
