import NIOCore
import P2PCore
import P2PMuxing
import P2PPipeline

extension MplexHandler {
    var controlBytes: Int { self.session.controlCount * MuxerRecord.mplexEmptyFrame }

    func readyBytes(upTo maximum: Int) -> Int {
        self.streams.readyBytes(overhead: MuxerRecord.mplexOverhead + 1, upTo: maximum)
    }

    func collectNews() {
        self.connection.takeNews(&self.news)
        self.streams.collect(fresh: self.news.fresh, work: self.news.work)
        self.news.clear()
    }

    func writeControl(to record: inout MuxerRecord, at now: NIODeadline) {
        while record.room >= MuxerRecord.mplexEmptyFrame, let header = self.session.nextControl() { record.append(header) }
    }

    func writeStreams(to record: inout MuxerRecord, at now: NIODeadline) {
        while record.room > MuxerRecord.mplexOverhead, let slot = self.streams.takeReady() { self.serve(slot, &record, at: now) }
    }

    /// Gives one stream its turn.
    private func serve(_ slot: Int, _ record: inout MuxerRecord, at now: NIODeadline) {
        guard let stream = self.streams.stream(at: slot), let id = self.streams.id(at: slot) ?? self.open(slot) else { return }
        let start = record.end
        let name = self.session.announcement(of: id)
        if let name { record.append(opening: id.number, name: name) }
        let quantum = self.streams.firstReady == nil ? .max : self.configuration.sharedQuantum
        let room = record.room - MplexHeader.maximumSize - MuxerRecord.mplexEmptyFrame
        let length = self.session.isSendable(id) ? min(stream.waitingBytes, room, quantum) : 0
        let drained = record.append(stream, id.isOurs ? .messageInitiator : .messageReceiver, id.number, length: length)
        if drained.reset != nil {
            record.rewind(to: start)
            if let reset = self.session.reset(id) { record.append(reset) }
            self.forget(id)
            return
        }
        if drained.finish {
            record.append(MplexHeader(id.isOurs ? .closeInitiator : .closeReceiver, id.number))
            self.side.finishing.append(stream)
        }
        let isClosed = self.session.sent(finish: drained.finish, on: id, at: now)
        if drained.stopReading { self.session.stopReading(id, at: now) }
        if drained.credit > 0 { self.noteUnread(of: stream, id, at: now) }
        if drained.remaining > 0, self.session.isSendable(id) { self.streams.makeReady(slot) }
        if isClosed { self.forget(id) }
    }

    /// Gives a stream of ours its id; nil when it has to wait, or can't have one.
    private func open(_ slot: Int) -> MplexStreamID? {
        switch self.session.open() {
        case .opened(let id):
            self.streams.open(slot, as: id)
            return id
        case .wait:
            self.streams.wait(slot)
        case .exhausted:
            let stream = self.streams.remove(at: slot)
            stream?.fail(
                StreamError(.connectionLost, "no stream can open on \(self.connection.info): every stream number was used"))
            self.connection.streamEnded(at: slot)
        }
        return nil
    }
}
