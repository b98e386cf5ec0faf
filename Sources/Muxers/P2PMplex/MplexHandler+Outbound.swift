import NIOCore
import P2PCore
import P2PPipeline

extension MplexHandler {
    /// Writes what streams and session have, while the channel takes it: the muxer pulls, nothing is queued in between.
    func drain() {
        guard self.isRunning, !self.isDraining else { return }
        self.isDraining = true
        var hasWritten = true
        while hasWritten, self.isRunning {
            hasWritten = false
            self.collectWork()
            while self.connection.channel.isWritable, self.writeRecord(at: self.now) { hasWritten = true }
            guard hasWritten else { break }
            self.records.flush()
            for stream in self.finishing { stream.finishLeft() }
            self.finishing.removeAll(keepingCapacity: true)
        }
        self.isDraining = false
        self.leaveIfDrained()
        self.settle()
    }

    /// Writes what the session has to say, whether or not the channel is writable: the last record of a connection.
    func writeFarewell(promise: EventLoopPromise<Void>) {
        let payload = min(self.session.controlCount * MplexRecord.emptyFrame, MplexRecord.maximumPayload(of: self.records.layout))
        guard payload > 0 else { return promise.succeed() }
        var record = MplexRecord(payload: payload, for: self.records)
        while record.room >= MplexRecord.emptyFrame, let header = self.session.nextControl() { record.append(header) }
        self.connection.sent(record.bytes.readableBytes)
        self.records.write(record.take(), promise: promise)
        self.records.flush()
    }

    /// Fills and writes one record: frames of the session first, then the ready streams in turn. False when there is nothing.
    private func writeRecord(at now: NIODeadline) -> Bool {
        let payload = self.expectedPayload()
        guard payload > 0 else { return false }
        var record = MplexRecord(payload: payload, for: self.records)
        while record.room >= MplexRecord.emptyFrame, let header = self.session.nextControl() { record.append(header) }
        while record.room > MplexRecord.overhead, let stream = self.ready.popFirst() { self.serve(stream, &record, at: now) }
        guard record.bytes.readableBytes > 0 else { return false }
        self.connection.sent(record.bytes.readableBytes)
        self.records.write(record.take(), promise: nil)
        return true
    }

    private func waiting(of stream: MuxedStream) -> Int { StreamBuffer.highWaterMark - stream.writableBytes }

    /// What waits, as far as one record can hold it.
    private func expectedPayload() -> Int {
        let maximum = MplexRecord.maximumPayload(of: self.records.layout)
        var expected = self.session.controlCount * MplexRecord.emptyFrame
        for stream in self.ready {
            guard expected < maximum else { return maximum }
            expected += self.waiting(of: stream) + MplexRecord.overhead + 1
        }
        return min(expected, maximum)
    }

    /// Gives one stream its turn.
    private func serve(_ stream: MuxedStream, _ record: inout MplexRecord, at now: NIODeadline) {
        stream.isReady = false
        if stream.id == 0, !self.open(stream) { return }
        let id = MplexStreamID(rawValue: stream.id)
        let start = record.end
        let name = self.session.announcement(of: id)
        if let name { record.append(opening: id.number, name: name) }
        let quantum = self.ready.isEmpty ? .max : self.configuration.sharedQuantum
        let room = record.room - MplexHeader.maximumSize - MplexRecord.emptyFrame
        let length = self.session.isSendable(id) ? min(self.waiting(of: stream), room, quantum) : 0
        let drained = record.drain(stream, id.isOurs ? .messageInitiator : .messageReceiver, id.number, length: length)
        if drained.reset != nil {
            record.rewind(to: start)
            if let reset = self.session.reset(id) { record.append(reset) }
            self.forget(id)
            return
        }
        if drained.finish {
            record.append(MplexHeader(id.isOurs ? .closeInitiator : .closeReceiver, id.number))
            self.finishing.append(stream)
        }
        let isClosed = self.session.sent(finish: drained.finish, on: id, at: now)
        if drained.stopReading { self.session.stopReading(id, at: now) }
        if drained.credit > 0 { self.noteUnread(of: stream, id, at: now) }
        if drained.remaining > 0, self.session.isSendable(id) { self.makeReady(stream) }
        if isClosed { self.forget(id) }
    }

    /// Gives a stream of ours its id; false when it has to wait, or can't have one.
    private func open(_ stream: MuxedStream) -> Bool {
        switch self.session.open() {
        case .opened(let id):
            stream.id = id.rawValue
            self.unopened.removeValue(forKey: ObjectIdentifier(stream))
            self.streams[id] = stream
            return true
        case .wait:
            stream.isReady = true
            self.waiting.append(stream)
            return false
        case .exhausted:
            self.unopened.removeValue(forKey: ObjectIdentifier(stream))
            stream.fail(StreamError(.connectionLost, "no stream can open on \(self.connection.info): every stream number was used"))
            self.connection.streamEnded()
            return false
        }
    }
}
