package import NIOCore
package import P2PCore
import P2PPipeline

/// The protocol of one yamux connection as a value: facts in, a small decision out. No I/O, no clock, no bytes.
///
/// The driver tells it the frames that arrive and what the streams want, sends the headers that it returns in the order in which they
/// were returned, and asks ``nextControl(at:)`` for frames that belong to no stream of the driver's.
package struct YamuxSession: ~Copyable {
    private struct Body {
        var streamID: UInt32
        var remaining: UInt32
        var isLast: Bool
    }

    /// Which end this is: the dialer opens odd stream ids, the listener even ones (the spec calls them client and server).
    let role: ConnectionRole
    let configuration: YamuxConfiguration
    /// What windows may grow by over all connections of the host.
    private let budget: MemoryBudget?
    private var streams: [UInt32: YamuxStreamState] = [:]
    /// Nil once all ids are used.
    private var nextID: UInt32?
    private var highestInbound: UInt32 = 0
    /// Inbound streams that we have not acknowledged.
    private var backlog = 0
    /// Outbound streams that the peer has not acknowledged.
    private var unanswered = 0
    /// Of all receive windows together.
    private var growth: UInt64 = 0
    private var body: Body?
    private var control: [YamuxHeader] = []
    private var pendingPongs = 0
    private var localGoAway: YamuxGoAwayCode?
    private var remoteGoAway: YamuxGoAwayCode?
    private var heartbeat: YamuxHeartbeat
    private var strays = YamuxStrayAllowance()
    private var resets: OffenceCounter
    private var streamErrors: OffenceCounter
    private var controlFrames: OffenceCounter

    /// - Parameters:
    ///   - budget: what windows may grow by over all connections of the host; nil bounds only each connection.
    ///   - firstID: where our ids start; by default 1 or 2, as the spec says.
    package init(
        role: ConnectionRole, configuration: YamuxConfiguration = YamuxConfiguration(), budget: MemoryBudget? = nil, now: NIODeadline,
        firstID: UInt32? = nil
    ) {
        self.role = role
        self.budget = budget
        self.configuration = configuration
        self.nextID = firstID ?? (role == .dialer ? 1 : 2)
        self.heartbeat = YamuxHeartbeat(
            interval: configuration.keepAliveInterval.map { TimeAmount($0) }, timeout: TimeAmount(configuration.keepAliveTimeout), now: now)
        let offences = OffenceCounter(
            maximum: configuration.maximumOffences, period: TimeAmount(configuration.offencePeriod), now: now)
        self.resets = offences
        self.streamErrors = offences
        self.controlFrames = offences
    }

    deinit {
        self.budget?.release(Int(clamping: self.growth))
        for stream in self.streams.values { self.budget?.passing.forget(stream.backlog) }
    }

    /// Streams that exist now, both directions together.
    package var streamCount: Int { self.streams.count }
    /// How far all receive windows together have grown, in bytes.
    package var windowGrowth: UInt64 { self.growth }
    /// The smoothed round-trip time, once measured.
    var roundTrip: TimeAmount? { self.heartbeat.roundTrip }
    /// How many frames wait in ``nextControl(at:)``.
    package var controlCount: Int { self.control.count }
    /// One side goes away and no stream is left: nothing more can happen.
    package var isIdle: Bool { self.streams.isEmpty && (self.remoteGoAway != nil || self.localGoAway != nil) }

    // MARK: What arrives

    /// Bytes of any kind arrived from the peer.
    package mutating func heard(at now: NIODeadline) { self.heartbeat.heard(at: now) }

    /// A frame's header arrived.
    package mutating func received(_ header: YamuxHeader, at now: NIODeadline) -> OnFrame {
        self.body = nil
        switch header.type {
        case .ping:
            return self.receivedPing(header, at: now)
        case .goAway:
            guard header.streamID == 0 else { return .fail(.streamID(header.streamID)) }
            let code = YamuxGoAwayCode(rawValue: header.length)
            self.remoteGoAway = code
            return .goAway(code)
        case .data, .windowUpdate:
            guard header.streamID != 0 else { return .fail(.streamID(0)) }
            if header.flags.contains(.syn) { return self.receivedOpening(header, at: now) }
            return self.receivedStreamFrame(header, events: [], at: now)
        }
    }

    /// `count` bytes of the current data frame arrived.
    package mutating func receivedBody(_ count: Int) -> OnBody {
        guard var body = self.body, let index = self.streams.index(forKey: body.streamID) else { return .skip }
        body.remaining -= UInt32(clamping: min(count, Int(body.remaining)))
        guard body.remaining == 0 else {
            self.body = body
            return .deliver(body.streamID, then: [])
        }
        self.body = nil
        guard body.isLast else { return .deliver(body.streamID, then: []) }
        self.streams.values[index].isReceiveFinished = true
        guard self.streams.values[index].isOver else { return .deliver(body.streamID, then: .finished) }
        self.forget(body.streamID)
        return .deliver(body.streamID, then: [.finished, .closed])
    }

    private mutating func receivedPing(_ header: YamuxHeader, at now: NIODeadline) -> OnFrame {
        guard header.streamID == 0 else { return .fail(.streamID(header.streamID)) }
        if header.flags.contains(.ack) {
            return self.heartbeat.answered(header.length, at: now) ? .none : self.withoutEffect(at: now)
        }
        guard self.pendingPongs < self.configuration.maximumPendingPongs else { return .fail(.tooManyPendingPongs) }
        guard self.controlFrames.tolerates(at: now) else { return .fail(.tooManyControlFrames) }
        self.pendingPongs += 1
        self.control.append(YamuxHeader(type: .ping, flags: .ack, streamID: 0, length: header.length))
        return .none
    }

    private mutating func receivedOpening(_ header: YamuxHeader, at now: NIODeadline) -> OnFrame {
        let id = header.streamID
        guard self.isInbound(id) else { return .fail(.parity(id)) }
        guard self.streams.index(forKey: id) == nil else { return .fail(.duplicateStream(id)) }
        self.highestInbound = max(self.highestInbound, id)
        if header.flags.contains(.rst) {
            return self.resets.tolerates(at: now) ? .none : .fail(.tooManyResets)
        }
        let isWelcome =
            self.localGoAway == nil && self.streams.count < self.configuration.maximumStreams
            && self.backlog < self.configuration.maximumBacklog
        guard isWelcome else {
            self.strays.forgot(credit: YamuxConfiguration.initialWindow)
            if header.bodyLength > 0, !self.strays.excuses(dataLength: header.bodyLength) { return .fail(.windowOverrun(id)) }
            return self.answerWithReset(id, self.localGoAway == nil ? .resourceLimitExceeded : .cancelled, at: now) ?? .none
        }
        self.streams[id] = .inbound(at: now)
        self.backlog += 1
        return self.receivedStreamFrame(header, events: .opened, at: now)
    }

    private mutating func receivedStreamFrame(_ header: YamuxHeader, events: YamuxStreamEvents, at now: NIODeadline) -> OnFrame {
        let id = header.streamID
        guard let index = self.streams.index(forKey: id) else { return self.receivedStray(header, at: now) }
        var events = events
        if self.streams.values[index].opening == .unanswered {
            self.streams.values[index].opening = .settled
            self.unanswered -= 1
            events.insert(.acknowledged)
        }
        if header.flags.contains(.rst) {
            if self.isInbound(id), !self.resets.tolerates(at: now) { return .fail(.tooManyResets) }
            self.forget(id)
            return .stream(id, events.union([.reset, .closed]), code: header.type == .windowUpdate ? header.length : 0)
        }
        if header.type == .windowUpdate {
            switch self.streams.values[index].send.credit(header.length) {
            case .credited: events.insert(.credited)
            case .useless: break
            case .overflow: return .fail(.windowOverflow(id))
            }
        } else if header.length > 0 {
            guard self.streams.values[index].receive.spend(header.length) else { return .fail(.windowOverrun(id)) }
            guard !self.streams.values[index].isReceiveFinished else { return self.receivedAfterFinish(id, events, at: now) }
            self.body = Body(streamID: id, remaining: header.length, isLast: header.flags.contains(.fin))
            return events.isEmpty ? .none : .stream(id, events, code: 0)
        }
        if header.flags.contains(.fin), !self.streams.values[index].isReceiveFinished {
            self.streams.values[index].isReceiveFinished = true
            events.insert(.finished)
            if self.streams.values[index].isOver {
                self.forget(id)
                events.insert(.closed)
            }
        }
        return events.isEmpty ? self.withoutEffect(at: now) : .stream(id, events, code: 0)
    }

    private mutating func receivedAfterFinish(_ id: UInt32, _ events: YamuxStreamEvents, at now: NIODeadline) -> OnFrame {
        self.forget(id)
        return self.answerWithReset(id, at: now) ?? .stream(id, events.union([.reset, .closed]), code: 0)
    }

    private mutating func receivedStray(_ header: YamuxHeader, at now: NIODeadline) -> OnFrame {
        let id = header.streamID
        let existed = self.isInbound(id) ? id <= self.highestInbound : self.nextID.map { id < $0 } ?? true
        if existed, self.strays.excuses(dataLength: header.bodyLength) { return .none }
        if header.flags.contains(.rst) { return self.resets.tolerates(at: now) ? .none : .fail(.tooManyResets) }
        return self.streamErrors.tolerates(at: now) ? .none : .fail(.tooManyStreamErrors)
    }

    private mutating func withoutEffect(at now: NIODeadline) -> OnFrame {
        self.controlFrames.tolerates(at: now) ? .none : .fail(.tooManyControlFrames)
    }

    /// Refuses a stream; a decision only if that was one too many.
    private mutating func answerWithReset(_ id: UInt32, _ code: StreamErrorCode = .cancelled, at now: NIODeadline) -> OnFrame? {
        guard self.streamErrors.tolerates(at: now) else { return .fail(.tooManyStreamErrors) }
        self.control.append(YamuxHeader(type: .windowUpdate, flags: .rst, streamID: id, length: code.rawValue))
        return nil
    }

    // MARK: What our side wants

    /// One more stream of ours is to open. Its first frame carries SYN.
    package mutating func open(at now: NIODeadline) -> OnOpen {
        guard self.remoteGoAway == nil else { return .refused(.goingAway) }
        guard let id = self.nextID else { return .refused(.idsExhausted) }
        let hasRoom = self.streams.count < self.configuration.maximumStreams && self.unanswered < self.configuration.maximumBacklog
        guard hasRoom else { return .wait }
        let (next, overflow) = id.addingReportingOverflow(2)
        self.nextID = overflow ? nil : next
        self.streams[id] = .outbound(at: now)
        self.unanswered += 1
        return .opened(id)
    }

    /// The driver has no room for a stream that was just opened by the peer.
    package mutating func refuse(_ id: UInt32, at now: NIODeadline) -> OnFrame {
        guard self.streams.index(forKey: id) != nil else { return .none }
        self.forget(id)
        return self.answerWithReset(id, .resourceLimitExceeded, at: now) ?? .none
    }

    /// Bytes that may be sent on a stream now; 0 too when it is gone or finished.
    package func sendable(on id: UInt32) -> Int {
        guard let stream = self.streams[id], !stream.isSendFinished else { return 0 }
        return Int(stream.send.available)
    }

    /// `count` bytes of a stream go out, at most ``sendable(on:)``; with `finish` they are its last. Nil when the stream is gone.
    ///
    /// A half-close never shares a frame with ACK, beside which some peers overlook it, nor with bytes: go-yamux lets its reader know
    /// of the end before it has put the bytes of that frame where they are read, so a reader that is quick misses them.
    package mutating func send(_ count: Int, finish: Bool, on id: UInt32) -> Outgoing? {
        guard let index = self.streams.index(forKey: id), !self.streams.values[index].isSendFinished else { return nil }
        let length = UInt32(clamping: count)
        self.streams.values[index].send.spend(length)
        var outgoing = Outgoing(
            header: YamuxHeader(type: .data, flags: self.greet(at: index), streamID: id, length: length), finish: nil, isClosed: false)
        guard finish else { return outgoing }
        self.streams.values[index].isSendFinished = true
        if length > 0 || outgoing.header.flags.contains(.ack) {
            outgoing.finish = YamuxHeader(type: .data, flags: .fin, streamID: id, length: 0)
        } else {
            outgoing.header.flags.insert(.fin)
        }
        if self.streams.values[index].isOver {
            self.forget(id)
            outgoing.isClosed = true
        }
        return outgoing
    }

    /// Says hello for a stream that has nothing to send: SYN or ACK on an empty window update. Nil when that has been said.
    package mutating func announce(_ id: UInt32) -> YamuxHeader? {
        guard let index = self.streams.index(forKey: id) else { return nil }
        let greeting = self.greet(at: index)
        return greeting.isEmpty ? nil : YamuxHeader(type: .windowUpdate, flags: greeting, streamID: id, length: 0)
    }

    /// Whether the peer is yet to hear of a stream of ours.
    func isUnannounced(_ id: UInt32) -> Bool { self.streams[id]?.opening == .unannounced }

    /// The reader took `count` bytes: the window update that is due, if one is.
    ///
    /// - Parameter waiting: what has waited for a reader who passes everything on; nil for any other reader.
    package mutating func consume(_ count: Int, waiting: StreamBuffer.Waiting? = nil, on id: UInt32, at now: NIODeadline) -> YamuxHeader? {
        guard let index = self.streams.index(forKey: id), !self.streams.values[index].isReceiveFinished else { return nil }
        self.streams.values[index].receive.consume(UInt32(clamping: count))
        guard self.streams.values[index].receive.isUpdateDue else { return nil }
        if let value = self.heartbeat.measure(at: now) { self.control.append(self.ping(value)) }
        let isNarrower = waiting.map { self.narrow(at: index, waiting: $0, now: now) } ?? false
        let growth = isNarrower ? 0 : self.growth(at: index, isPassedOn: waiting != nil, now: now)
        let delta = self.streams.values[index].receive.update(growingBy: growth, at: now)
        return YamuxHeader(type: .windowUpdate, flags: self.greet(at: index), streamID: id, length: delta)
    }

    /// The reader passes everything on: whether its window is to be narrower. What it had grown by goes back.
    private mutating func narrow(at index: Dictionary<UInt32, YamuxStreamState>.Index, waiting: StreamBuffer.Waiting, now: NIODeadline)
        -> Bool
    {
        let window = self.streams.values[index].receive
        let isNarrowest = window.size <= YamuxReceiveWindow.narrowest
        let surplus =
            self.budget?.passing.report(waiting: waiting.now, of: &self.streams.values[index].backlog, isNarrowest: isNarrowest, at: now)
            ?? 0
        let isQuick = self.streams.values[index].backlog.isQuick(window.size)
        guard let wanted = window.wantedSize(least: waiting.least, surplus: isQuick ? 0 : surplus) else { return false }
        self.streams.values[index].receive.narrow(to: wanted)
        let shrinkage = window.growth - self.streams.values[index].receive.growth
        self.growth -= shrinkage
        self.budget?.release(Int(clamping: shrinkage))
        return true
    }

    /// By how much a window grows now; what goes beyond the protocol's is reserved, and has to do with what waits at all where the reader passes everything on.
    private mutating func growth(at index: Dictionary<UInt32, YamuxStreamState>.Index, isPassedOn: Bool, now: NIODeadline) -> UInt32 {
        let window = self.streams.values[index].receive
        let wanted = window.wantedGrowth(maximum: self.configuration.maximumWindow, roundTrip: self.heartbeat.roundTrip, now: now)
        let free = min(wanted, window.shortfall)
        guard wanted > 0, isPassedOn, let passing = self.budget?.passing else {
            return wanted > free && self.reserve(wanted - free) ? wanted : free
        }
        // A crowd that is slow keeps nobody who is quick below the protocol's window.
        let own = self.streams.values[index].backlog.isQuick(window.size) ? free : 0
        let granted = UInt32(passing.grow(&self.streams.values[index].backlog, by: Int(wanted - own), at: now))
        let reserved = own + granted > free ? own + granted - free : 0
        if reserved == 0 || self.reserve(reserved) { return own + granted }
        passing.giveBack(Int(reserved), of: &self.streams.values[index].backlog)
        return free
    }

    /// `count` bytes arrived that nobody will ever read.
    ///
    /// While our side still sends, they are as good as consumed. Once it has finished too, nobody is interested in the stream:
    /// a peer that goes on for half a window is told so by a reset, not fed with credit.
    /// - Returns: whether that was the end of the stream. What is to be sent waits in ``nextControl(at:)``.
    package mutating func discard(_ count: Int, on id: UInt32, at now: NIODeadline) -> Bool {
        guard let index = self.streams.index(forKey: id), !self.streams.values[index].isReceiveFinished else { return false }
        guard self.streams.values[index].isSendFinished else {
            if let update = self.consume(count, on: id, at: now) { self.control.append(update) }
            return false
        }
        self.streams.values[index].receive.consume(UInt32(clamping: count))
        guard self.streams.values[index].receive.isUpdateDue, let reset = self.reset(id) else { return false }
        self.control.append(reset)
        return true
    }

    /// Our side will read nothing more of a stream.
    package mutating func stopReading(_ id: UInt32, at now: NIODeadline) {
        self.streams[id]?.stoppedReading = now
    }

    /// Streams in which our side has had no interest for too long are over; their resets wait in ``nextControl(at:)``.
    package mutating func abandonLingering(at now: NIODeadline) -> [UInt32] {
        let timeout = TimeAmount(self.configuration.lingerTimeout)
        let lingering = self.streams.filter { _, stream in
            stream.isSendFinished && stream.stoppedReading.map { now - $0 >= timeout } ?? false
        }
        for id in lingering.keys {
            if let reset = self.reset(id) { self.control.append(reset) }
        }
        return Array(lingering.keys)
    }

    /// When ``abandonLingering(at:)`` is to look again; nil when no stream was given up by its reader.
    package func lingerDeadline(after now: NIODeadline) -> NIODeadline? {
        let timeout = TimeAmount(self.configuration.lingerTimeout)
        // One whose time is over and that still sends is looked at again as long after.
        return self.streams.values.lazy.compactMap(\.stoppedReading).map { $0 + timeout > now ? $0 + timeout : now + timeout }.min()
    }

    /// Half of the stream's receive window: what the reader is to consume before credit is worth returning.
    func creditThreshold(of id: UInt32) -> Int {
        Int(self.streams[id]?.receive.size ?? YamuxConfiguration.initialWindow) / 2
    }

    /// Our side ends a stream at once, and says why. Nil when the session has forgotten it.
    package mutating func reset(_ id: UInt32, _ code: StreamErrorCode = .cancelled) -> YamuxHeader? {
        guard let index = self.streams.index(forKey: id) else { return nil }
        let isUnknownToPeer = self.streams.values[index].opening == .unannounced
        self.forget(id)
        return isUnknownToPeer ? nil : YamuxHeader(type: .windowUpdate, flags: .rst, streamID: id, length: code.rawValue)
    }

    /// Our side takes no new streams. Said once.
    package mutating func goAway(_ code: YamuxGoAwayCode) {
        guard self.localGoAway == nil else { return }
        self.localGoAway = code
        self.control.append(YamuxHeader(type: .goAway, flags: [], streamID: 0, length: code.rawValue))
    }

    // MARK: Time and frames of the session

    /// The next frame that belongs to no stream of the driver's; it goes out now.
    package mutating func nextControl(at now: NIODeadline) -> YamuxHeader? {
        guard !self.control.isEmpty else { return nil }
        let header = self.control.removeFirst()
        if header.type == .ping {
            if header.flags.contains(.ack) { self.pendingPongs -= 1 } else { self.heartbeat.left(header.length, at: now) }
        }
        return header
    }

    /// Time has passed. A ping that is due waits in ``nextControl(at:)``.
    package mutating func tick(at now: NIODeadline) -> YamuxHeartbeat.OnTick {
        let decision = self.heartbeat.tick(at: now)
        if case .ping(let value, _) = decision { self.control.append(self.ping(value)) }
        return decision
    }

    /// Asks the peer for a sign of life. The ping waits in ``nextControl(at:)``.
    package mutating func probe(at now: NIODeadline) {
        if let value = self.heartbeat.probe(at: now) { self.control.append(self.ping(value)) }
    }

    // MARK: Private

    private func isInbound(_ id: UInt32) -> Bool { (id & 1 == 0) == (self.role == .dialer) }

    private mutating func reserve(_ growth: UInt32) -> Bool {
        guard self.growth + UInt64(growth) <= self.configuration.maximumWindowGrowth else { return false }
        if let budget = self.budget, !budget.reserve(Int(growth)) { return false }
        self.growth += UInt64(growth)
        return true
    }

    private func ping(_ value: UInt32) -> YamuxHeader { YamuxHeader(type: .ping, flags: .syn, streamID: 0, length: value) }

    private mutating func greet(at index: Dictionary<UInt32, YamuxStreamState>.Index) -> YamuxFlags {
        let greeting = self.streams.values[index].opening.greet()
        if greeting.contains(.ack) { self.backlog -= 1 }
        return greeting
    }

    private mutating func forget(_ id: UInt32) {
        guard let stream = self.streams.removeValue(forKey: id) else { return }
        self.budget?.passing.forget(stream.backlog)
        switch stream.opening {
        case .unannounced, .unanswered: self.unanswered -= 1
        case .unacknowledged: self.backlog -= 1
        case .settled: break
        }
        self.growth -= stream.receive.growth
        self.budget?.release(Int(clamping: stream.receive.growth))
        self.strays.forgot(credit: stream.isReceiveFinished ? 0 : stream.receive.credit)
    }
}
