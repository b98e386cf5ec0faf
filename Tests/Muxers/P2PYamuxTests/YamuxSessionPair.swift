import NIOCore
import P2PCore
import Testing

@testable import P2PYamux

/// One end of a virtual connection: a session, and what its driver would know. Bytes are only counted.
final class YamuxEnd {
    struct Stream {
        /// Waiting to be sent.
        var outgoing = 0
        var wantsFinish = false
        var finishSent = false
        /// Received and not yet read.
        var unread = 0
        /// The least of that since the last update.
        var least = 0
        var received = 0
        var sent = 0
        var peerFinished = false
        var wasReset = false
    }

    var session: YamuxSession
    var streams: [UInt32: Stream] = [:]
    var closed: [UInt32: Stream] = [:]
    var wire: [YamuxHeader] = []
    var violation: YamuxViolation?
    var goAway: YamuxGoAwayCode?
    var opened: [UInt32] = []

    init(_ role: ConnectionRole, _ configuration: YamuxConfiguration = YamuxConfiguration(), budget: MemoryBudget? = nil, now: NIODeadline)
    {
        self.session = YamuxSession(role: role, configuration: configuration, budget: budget, now: now)
    }

    func open(at now: NIODeadline) -> UInt32? {
        guard case .opened(let id) = self.session.open(at: now) else { return nil }
        self.streams[id] = Stream()
        return id
    }

    func retire(_ id: UInt32) {
        if let stream = self.streams.removeValue(forKey: id) { self.closed[id] = stream }
    }

    func reset(_ id: UInt32) {
        if let header = self.session.reset(id) { self.wire.append(header) }
        self.streams[id]?.wasReset = true
        self.retire(id)
    }

    /// - Parameter passingOn: the reader's bytes go on to somebody, as those of a circuit do.
    func read(_ count: Int, on id: UInt32, passingOn: Bool = false, at now: NIODeadline) {
        guard let unread = self.streams[id]?.unread, unread > 0 else { return }
        let taken = min(count, unread)
        self.streams[id]?.unread -= taken
        let least = min(self.streams[id]?.least ?? 0, unread - taken)
        self.streams[id]?.least = least
        guard
            let header = self.session.consume(
                taken, waiting: passingOn ? StreamBuffer.Waiting(least: least, now: unread - taken) : nil, on: id, at: now)
        else { return }
        self.streams[id]?.least = unread - taken
        self.wire.append(header)
    }

    /// Sends what windows allow, at most `quantum` bytes a frame.
    func send(_ id: UInt32, quantum: Int) {
        guard let stream = self.streams[id], !stream.finishSent else { return }
        let count = min(stream.outgoing, quantum, self.session.sendable(on: id))
        let finish = stream.wantsFinish && count == stream.outgoing
        if count == 0, !finish {
            if let header = self.session.announce(id) { self.wire.append(header) }
            return
        }
        guard let outgoing = self.session.send(count, finish: finish, on: id) else { return }
        self.wire.append(outgoing.header)
        if let finish = outgoing.finish { self.wire.append(finish) }
        self.streams[id]?.outgoing -= count
        self.streams[id]?.sent += count
        self.streams[id]?.finishSent = finish
        if outgoing.isClosed { self.retire(id) }
    }

    func takeWire(at now: NIODeadline) -> [YamuxHeader] {
        var frames: [YamuxHeader] = []
        while let header = self.session.nextControl(at: now) { frames.append(header) }
        frames += self.wire
        self.wire = []
        return frames
    }

    /// A frame arrives, its body in pieces of at most `piece` bytes.
    func receive(_ header: YamuxHeader, piece: Int = .max, at now: NIODeadline) {
        guard self.violation == nil else { return }
        self.session.heard(at: now)
        switch self.session.received(header, at: now) {
        case .none: break
        case .stream(let id, let events, _): self.apply(events, to: id)
        case .goAway(let code): self.goAway = code
        case .fail(let violation):
            self.violation = violation
            return
        }
        var remaining = Int(header.bodyLength)
        while remaining > 0 {
            let count = min(piece, remaining)
            remaining -= count
            guard case .deliver(let id, let events) = self.session.receivedBody(count) else { continue }
            self.streams[id]?.unread += count
            self.streams[id]?.received += count
            self.apply(events, to: id)
        }
    }

    private func apply(_ events: YamuxStreamEvents, to id: UInt32) {
        if events.contains(.opened) {
            self.streams[id] = Stream()
            self.opened.append(id)
        }
        if events.contains(.finished) { self.streams[id]?.peerFinished = true }
        if events.contains(.reset) { self.streams[id]?.wasReset = true }
        if events.contains(.closed) { self.retire(id) }
    }
}

/// Two ends and a virtual clock.
final class YamuxSessionPair {
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    let dialer: YamuxEnd
    let listener: YamuxEnd

    /// - Parameter budget: what the windows of the listener may grow by.
    init(_ configuration: YamuxConfiguration = YamuxConfiguration(), budget: MemoryBudget? = nil) {
        self.dialer = YamuxEnd(.dialer, configuration, now: self.now)
        self.listener = YamuxEnd(.listener, configuration, budget: budget, now: self.now)
    }

    /// Carries everything that waits, both ways, until nothing waits.
    func settle(piece: Int = .max, latency: TimeAmount = .nanoseconds(0)) {
        while true {
            let forth = self.dialer.takeWire(at: self.now)
            let back = self.listener.takeWire(at: self.now)
            if forth.isEmpty, back.isEmpty { return }
            self.now = self.now + latency
            for header in forth { self.listener.receive(header, piece: piece, at: self.now) }
            for header in back { self.dialer.receive(header, piece: piece, at: self.now) }
        }
    }
}
