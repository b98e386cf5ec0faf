import NIOCore
import P2PCore
import P2PYamux

/// One end of a virtual connection: a session, and what its driver would know of it. Bytes are only counted.
final class YamuxEndUnderTest {
    struct Stream {
        /// Waiting to be sent.
        var outgoing = 0
        var wantsFinish = false
        var hasSentFinish = false
        /// Received and not yet read.
        var unread = 0
        var received = 0
        var sent = 0
        var hasPeerFinished = false
        var wasReset = false
        var hasStopped = false
    }

    var session: YamuxSession
    let budget = MemoryBudget(limit: 8 << 20)
    private let configuration: YamuxConfiguration
    private(set) var streams: [UInt32: Stream] = [:]
    private(set) var closed: [UInt32: Stream] = [:]
    private(set) var violation: YamuxViolation?
    private var wire: [YamuxHeader] = []

    init(_ role: ConnectionRole, _ configuration: YamuxConfiguration, now: NIODeadline) {
        self.configuration = configuration
        self.session = YamuxSession(role: role, configuration: configuration, budget: self.budget, now: now)
    }

    /// The stream that a number stands for; 0 without any.
    func stream(_ number: UInt8) -> UInt32 {
        let ids = self.streams.keys.sorted()
        return ids.isEmpty ? 0 : ids[Int(number) % ids.count]
    }

    func open(at now: NIODeadline) {
        guard case .opened(let id) = self.session.open(at: now) else { return }
        precondition(self.streams[id] == nil && self.closed[id] == nil, "stream \(id) opens twice")
        self.streams[id] = Stream()
    }

    func enqueue(_ count: Int, on id: UInt32) {
        guard self.streams[id]?.wantsFinish == false else { return }
        self.streams[id]?.outgoing += count
    }

    func finish(_ id: UInt32) {
        self.streams[id]?.wantsFinish = true
    }

    func reset(_ id: UInt32) {
        guard self.streams[id] != nil else { return }
        if let header = self.session.reset(id) { self.wire.append(header) }
        self.streams[id]?.wasReset = true
        self.retire(id)
    }

    func refuse(_ id: UInt32, at now: NIODeadline) {
        guard self.streams[id] != nil else { return }
        self.note(self.session.refuse(id, at: now))
        self.streams[id]?.wasReset = true
        self.retire(id)
    }

    /// - Parameter behind: how much of what is left has waited all the time, in 255ths, for a reader who passes it on.
    func read(_ count: Int, behind: UInt8 = 0, on id: UInt32, at now: NIODeadline) {
        guard let unread = self.streams[id]?.unread, unread > 0 else { return }
        let taken = min(count, unread)
        self.streams[id]?.unread -= taken
        let waiting = behind > 0 ? StreamBuffer.Waiting(least: (unread - taken) * Int(behind) / 255, now: unread - taken) : nil
        if let header = self.session.consume(taken, waiting: waiting, on: id, at: now) {
            self.wire.append(header)
        }
    }

    func stopReading(_ id: UInt32, at now: NIODeadline) {
        guard self.streams[id]?.hasStopped == false else { return }
        self.read(.max, on: id, at: now)
        self.streams[id]?.hasStopped = true
        self.session.stopReading(id, at: now)
    }

    /// Sends what windows allow, at most `quantum` bytes a frame.
    func send(_ id: UInt32, quantum: Int) {
        guard let stream = self.streams[id], !stream.hasSentFinish else { return }
        let sendable = self.session.sendable(on: id)
        precondition(sendable >= 0)
        let count = min(stream.outgoing, quantum, sendable)
        let isLast = stream.wantsFinish && count == stream.outgoing
        if count == 0, !isLast {
            if let header = self.session.announce(id) { self.wire.append(header) }
            return
        }
        guard let outgoing = self.session.send(count, finish: isLast, on: id) else { preconditionFailure("stream \(id) can't send") }
        self.wire.append(outgoing.header)
        if let finish = outgoing.finish { self.wire.append(finish) }
        self.streams[id]?.outgoing -= count
        self.streams[id]?.sent += count
        self.streams[id]?.hasSentFinish = isLast
        if outgoing.isClosed { self.retire(id) }
    }

    /// Time has passed.
    func tick(at now: NIODeadline) {
        for id in self.session.abandonLingering(at: now) {
            self.streams[id]?.wasReset = true
            self.retire(id)
        }
        _ = self.session.tick(at: now)
    }

    func takeWire(at now: NIODeadline) -> [YamuxHeader] {
        // In the order in which they were returned: what waits in the session is asked for now.
        var frames = self.wire
        self.wire = []
        while let header = self.session.nextControl(at: now) { frames.append(header) }
        return frames
    }

    /// A frame arrives, its body in pieces of some `piece` bytes, 16 at most.
    func receive(_ header: YamuxHeader, piece: Int = .max, at now: NIODeadline) {
        guard self.violation == nil else { return }
        self.session.heard(at: now)
        self.note(self.session.received(header, at: now))
        guard self.violation == nil else { return }
        var remaining = Int(header.bodyLength)
        let piece = max(piece, remaining / 16, 1)
        while remaining > 0 {
            let count = min(piece, remaining)
            remaining -= count
            guard case .deliver(let id, let events) = self.session.receivedBody(count) else { continue }
            guard let stream = self.streams[id] else { preconditionFailure("bytes for stream \(id), which does not exist") }
            precondition(!stream.hasPeerFinished, "bytes behind the end of stream \(id)")
            self.streams[id]?.received += count
            if !stream.hasStopped { self.streams[id]?.unread += count }
            self.apply(events, to: id)
            if stream.hasStopped, self.session.discard(count, on: id, at: now) {
                self.streams[id]?.wasReset = true
                self.retire(id)
            }
        }
    }

    /// What must hold at any time.
    func check() {
        precondition(self.session.streamCount == self.streams.count, "\(self.session.streamCount) streams, not \(self.streams.count)")
        precondition(self.session.streamCount <= self.configuration.maximumStreams)
        precondition(self.session.windowGrowth <= self.configuration.maximumWindowGrowth)
        precondition(self.session.windowGrowth == UInt64(self.budget.reserved), "the budget counts \(self.budget.reserved) bytes")
        // Nothing was counted that is no stream's.
        let most = (self.streams.count * Int(YamuxConfiguration.initialWindow)) + self.budget.reserved + self.budget.passing.limit
        precondition(0...most ~= self.budget.passing.use, "\(self.budget.passing.use) bytes are counted for readers who pass on")
        precondition(self.streams.values.allSatisfy { $0.unread <= Int(self.configuration.maximumWindow) }, "more waits than a window")
    }

    private func note(_ decision: YamuxSession.OnFrame) {
        switch decision {
        case .none, .goAway: break
        case .stream(let id, let events, _): self.apply(events, to: id)
        case .fail(let violation): self.violation = violation
        }
    }

    private func apply(_ events: YamuxStreamEvents, to id: UInt32) {
        if events.contains(.opened) {
            precondition(self.streams[id] == nil, "stream \(id) opens twice")
            self.streams[id] = Stream()
        }
        precondition(self.streams[id] != nil || events.isEmpty, "events of stream \(id), which does not exist")
        if events.contains(.finished) {
            precondition(self.streams[id]?.hasPeerFinished == false, "stream \(id) finishes twice")
            self.streams[id]?.hasPeerFinished = true
        }
        if events.contains(.reset) { self.streams[id]?.wasReset = true }
        if events.contains(.closed) { self.retire(id) }
    }

    private func retire(_ id: UInt32) {
        if let stream = self.streams.removeValue(forKey: id) { self.closed[id] = stream }
    }
}
