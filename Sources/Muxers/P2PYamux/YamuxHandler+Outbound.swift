import NIOCore
import P2PCore
import P2PPipeline

extension YamuxHandler {
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
    }

    /// Writes what the session has to say, whether or not the channel is writable: the last record of a connection.
    func writeFarewell(promise: EventLoopPromise<Void>) {
        let payload = min(self.session.controlCount * YamuxHeader.size, YamuxRecord.maximumPayload(of: self.records.layout))
        guard payload > 0 else { return promise.succeed() }
        var record = YamuxRecord(payload: payload, for: self.records)
        while record.room >= YamuxHeader.size, let header = self.session.nextControl(at: self.now) { record.append(header) }
        self.connection.sent(record.bytes.readableBytes)
        self.records.write(record.take(), promise: promise)
        self.records.flush()
    }

    /// Fills and writes one record: frames of the session first, then the ready streams in turn. False when there is nothing.
    private func writeRecord(at now: NIODeadline) -> Bool {
        let payload = self.expectedPayload()
        guard payload > 0 else { return false }
        var record = YamuxRecord(payload: payload, for: self.records)
        while record.room >= YamuxHeader.size, let header = self.session.nextControl(at: now) { record.append(header) }
        while record.room > YamuxRecord.overhead, let stream = self.ready.popFirst() { self.serve(stream, &record, at: now) }
        guard record.bytes.readableBytes > 0 else { return false }
        self.connection.sent(record.bytes.readableBytes)
        self.records.write(record.take(), promise: nil)
        return true
    }

    /// What waits, as far as one record can hold it.
    private func expectedPayload() -> Int {
        let maximum = YamuxRecord.maximumPayload(of: self.records.layout)
        var expected = self.session.controlCount * YamuxHeader.size
        for stream in self.ready {
            guard expected < maximum else { return maximum }
            expected += StreamBuffer.highWaterMark - stream.writableBytes + YamuxRecord.overhead + 1
        }
        return min(expected, maximum)
    }

    /// Gives one stream its turn.
    private func serve(_ stream: MuxedStream, _ record: inout YamuxRecord, at now: NIODeadline) {
        stream.isReady = false
        let isNew = stream.id == 0
        if isNew, !self.open(stream, at: now) { return }
        let id = UInt32(truncatingIfNeeded: stream.id)
        let room = record.room - YamuxRecord.overhead
        let quantum = self.ready.isEmpty ? room : min(room, self.configuration.sharedQuantum)
        let header = record.begin()
        let drained = record.drain(stream, upTo: min(quantum, self.session.sendable(on: id)))
        if drained.reset != nil {
            record.abandon(at: header)
            if let reset = self.session.reset(id) { record.append(reset) }
            self.forget(id)
            return
        }
        var isClosed = false
        if drained.copied > 0 || drained.finish, let outgoing = self.session.send(drained.copied, finish: drained.finish, on: id) {
            record.complete(outgoing.header, at: header)
            if let finish = outgoing.finish { record.append(finish) }
            if drained.finish { self.finishing.append(stream) }
            isClosed = outgoing.isClosed
        } else {
            record.abandon(at: header)
        }
        if drained.credit > 0, let update = self.session.consume(drained.credit, on: id, at: now) {
            record.append(update)
            stream.setCreditThreshold(self.session.creditThreshold(of: id))
        }
        if drained.stopReading {
            self.session.stopReading(id, at: now)
            self.wake(by: now + TimeAmount(self.configuration.lingerTimeout))
        }
        if isNew, let hello = self.session.announce(id) { record.append(hello) }
        if drained.remaining > 0, self.session.sendable(on: id) > 0 { self.makeReady(stream) }
        if isClosed { self.forget(id) }
    }

    /// Gives a stream of ours its id; false when it has to wait, or can't have one.
    private func open(_ stream: MuxedStream, at now: NIODeadline) -> Bool {
        switch self.session.open(at: now) {
        case .opened(let id):
            stream.id = UInt64(id)
            self.unopened.removeValue(forKey: ObjectIdentifier(stream))
            self.streams[id] = stream
            return true
        case .wait:
            stream.isReady = true
            self.waiting.append(stream)
            return false
        case .refused(let refusal):
            self.unopened.removeValue(forKey: ObjectIdentifier(stream))
            stream.fail(StreamError(.connectionLost, "no stream can open on \(self.connection.info): \(refusal)"))
            self.connection.streamEnded()
            return false
        }
    }
}
