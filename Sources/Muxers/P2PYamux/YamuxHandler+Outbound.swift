import NIOCore
import P2PCore
import P2PMuxing
import P2PPipeline

extension YamuxHandler {
    var controlBytes: Int { self.session.controlCount * YamuxHeader.size }

    func readyBytes(upTo maximum: Int) -> Int {
        self.streams.readyBytes(overhead: MuxerRecord.yamuxOverhead + 1, upTo: maximum)
    }

    func collectNews() {
        self.connection.takeNews(&self.news)
        self.streams.collect(fresh: self.news.fresh, work: self.news.work)
        self.news.clear()
    }

    func writeControl(to record: inout MuxerRecord, at now: NIODeadline) {
        while record.room >= YamuxHeader.size, let header = self.session.nextControl(at: now) { record.append(header) }
    }

    func writeStreams(to record: inout MuxerRecord, at now: NIODeadline) {
        while record.room > MuxerRecord.yamuxOverhead, let slot = self.streams.takeReady() { self.serve(slot, &record, at: now) }
    }

    /// Gives one stream its turn.
    private func serve(_ slot: Int, _ record: inout MuxerRecord, at now: NIODeadline) {
        guard let stream = self.streams.stream(at: slot), let id = self.streams.id(at: slot) ?? self.open(slot, at: now) else { return }
        let room = record.room - MuxerRecord.yamuxOverhead
        let quantum = self.streams.firstReady == nil ? room : min(room, self.configuration.sharedQuantum)
        let header = record.begin()
        let offer = stream.copy(upTo: min(quantum, self.session.sendable(on: id)), to: &record.bytes)
        let turn = self.session.turn(of: id, offering: offer, at: now)
        record.complete(turn.data, at: header)
        record.append(turn.finish)
        record.append(turn.update)
        record.append(turn.lone)
        if turn.hasFinished { self.side.finishing.append(stream) }
        if let threshold = turn.creditThreshold { stream.setCreditThreshold(threshold) }
        if let deadline = turn.lingersUntil { self.wake(by: deadline) }
        if turn.isStillReady { self.streams.makeReady(slot) }
        if turn.isClosed { self.forget(id) }
    }

    /// Gives a stream of ours its id; nil when it has to wait, or can't have one.
    private func open(_ slot: Int, at now: NIODeadline) -> UInt32? {
        switch self.session.open(at: now) {
        case .opened(let id):
            self.streams.open(slot, as: id)
            return id
        case .wait:
            self.streams.wait(slot)
        case .refused(let refusal):
            let stream = self.streams.remove(at: slot)
            stream?.fail(StreamError(.connectionLost, "no stream can open on \(self.connection.info): \(refusal)"))
            self.connection.streamEnded(at: slot)
            // Nor will those that wait.
            self.streams.admitOne()
        }
        return nil
    }
}
