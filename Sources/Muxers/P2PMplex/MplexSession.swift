package import NIOCore
import P2PCore
import P2PPipeline

/// The protocol of one mplex connection as a value: facts in, a small decision out. No I/O, no clock, no bytes.
///
/// The driver tells it the frames that arrive, what the streams want and how much waits for their readers; it asks ``nextControl()`` for
/// frames that belong to no stream of the driver's.
package struct MplexSession: ~Copyable {
    let configuration: MplexConfiguration
    var streams: [MplexStreamID: MplexStreamState] = [:]
    /// Nil once all numbers are used.
    private var nextNumber: UInt64?
    private var highestInbound: UInt64?
    /// Where the bytes of the current frame belong.
    private var body: MplexStreamID?
    private var control = CircularBuffer<MplexHeader>(initialCapacity: 0)
    private var strays: MplexStrayAllowance
    private var resets: OffenceCounter
    private var streamErrors: OffenceCounter
    private var emptyFrames: OffenceCounter
    /// Our side takes no new streams.
    private var isClosing = false

    /// Bytes that waited for all readers together when we last looked.
    package internal(set) var unread = 0
    /// Readers that the connection waits for.
    var waitedFor = 0
    /// When those who took nothing are waited for no longer.
    var patienceEnds: NIODeadline?
    private var lingeringEnds: NIODeadline?

    /// - Parameter firstNumber: where our stream numbers start.
    package init(configuration: MplexConfiguration = MplexConfiguration(), now: NIODeadline, firstNumber: UInt64 = 0) {
        self.configuration = configuration
        self.nextNumber = firstNumber
        self.strays = MplexStrayAllowance(bytesPerStream: configuration.maximumStray)
        let offences = OffenceCounter(
            maximum: configuration.maximumOffences, period: TimeAmount(configuration.offencePeriod), now: now)
        self.resets = offences
        self.streamErrors = offences
        self.emptyFrames = offences
    }

    /// Streams that exist now, both directions together.
    package var streamCount: Int { self.streams.count }
    /// How many frames wait in ``nextControl()``.
    package var controlCount: Int { self.control.count }
    /// We are closing and no stream is left: nothing more can happen.
    package var isIdle: Bool { self.isClosing && self.streams.isEmpty }
    /// When ``tick(at:)`` is due; nil for never.
    package var deadline: NIODeadline? {
        [self.patienceEnds, self.lingeringEnds].compactMap { $0 }.min()
    }

    // MARK: What arrives

    /// A frame's header arrived.
    package mutating func received(_ header: MplexHeader, at now: NIODeadline) -> OnFrame {
        self.body = nil
        let id = header.receivedID
        if header.flag == .newStream { return self.receivedOpening(id, at: now) }
        guard let index = self.streams.index(forKey: id) else { return self.receivedStray(header, at: now) }
        switch header.flag {
        case .newStream, .messageReceiver, .messageInitiator:
            guard header.length > 0 else { return self.withoutEffect(at: now) }
            guard !self.streams.values[index].isReceiveFinished else { return self.receivedAfterFinish(id, at: now) }
            self.body = id
            return .none
        case .closeReceiver, .closeInitiator:
            guard !self.streams.values[index].isReceiveFinished else { return self.withoutEffect(at: now) }
            self.streams.values[index].isReceiveFinished = true
            self.lookAgain(at: index, now: now)
            guard self.streams.values[index].isOver else { return .stream(id, .finished) }
            self.forget(id, wasReset: false)
            return .stream(id, [.finished, .closed])
        case .resetReceiver, .resetInitiator:
            if !id.isOurs, !self.resets.tolerates(at: now) { return .fail(.tooManyResets) }
            self.forget(id, wasReset: false)
            return .stream(id, [.reset, .closed])
        }
    }

    /// Bytes of the current frame arrived.
    package func receivedBody() -> OnBody {
        guard let id = self.body, self.streams.index(forKey: id) != nil else { return .skip }
        return .deliver(id)
    }

    private mutating func receivedOpening(_ id: MplexStreamID, at now: NIODeadline) -> OnFrame {
        guard self.streams.index(forKey: id) == nil else { return .fail(.duplicateStream(id)) }
        self.highestInbound = max(self.highestInbound ?? 0, id.number)
        guard !self.isClosing, self.streams.count < self.configuration.maximumStreams else {
            self.strays.forgot(wasReset: true)
            return self.answerWithReset(id, at: now) ?? .none
        }
        self.streams[id] = MplexStreamState()
        return .stream(id, .opened)
    }

    private mutating func receivedAfterFinish(_ id: MplexStreamID, at now: NIODeadline) -> OnFrame {
        self.forget(id, wasReset: true)
        return self.answerWithReset(id, at: now) ?? .stream(id, [.reset, .closed])
    }

    private mutating func receivedStray(_ header: MplexHeader, at now: NIODeadline) -> OnFrame {
        let id = header.receivedID
        let existed = id.isOurs ? self.nextNumber.map { id.number < $0 } ?? true : self.highestInbound.map { id.number <= $0 } ?? false
        if existed, self.strays.excuses(dataLength: header.length) { return .none }
        if header.flag == .resetInitiator || header.flag == .resetReceiver {
            return self.resets.tolerates(at: now) ? .none : .fail(.tooManyResets)
        }
        return self.streamErrors.tolerates(at: now) ? .none : .fail(.tooManyStreamErrors)
    }

    private mutating func withoutEffect(at now: NIODeadline) -> OnFrame {
        self.emptyFrames.tolerates(at: now) ? .none : .fail(.tooManyEmptyFrames)
    }

    /// Refuses a stream; a decision only if that was one too many.
    private mutating func answerWithReset(_ id: MplexStreamID, at now: NIODeadline) -> OnFrame? {
        guard self.streamErrors.tolerates(at: now) else { return .fail(.tooManyStreamErrors) }
        self.control.append(Self.reset(id))
        return nil
    }

    // MARK: What our side wants

    /// One more stream of ours is to open. Its first frame is ``announcement(of:)``.
    package mutating func open() -> OnOpen {
        guard let number = self.nextNumber else { return .exhausted }
        guard self.streams.count < self.configuration.maximumStreams else { return .wait }
        self.nextNumber = number < MplexStreamID.maximumNumber ? number + 1 : nil
        let id = MplexStreamID(number, isOurs: true)
        self.streams[id] = MplexStreamState(isUnannounced: true)
        return .opened(id)
    }

    /// The driver has no room for a stream that was just opened by the peer.
    package mutating func refuse(_ id: MplexStreamID, at now: NIODeadline) -> OnFrame {
        guard self.streams.index(forKey: id) != nil else { return .none }
        self.forget(id, wasReset: true)
        return self.answerWithReset(id, at: now) ?? .none
    }

    /// The name that opens a stream, if the peer has not heard of it: its number, as other implementations have it.
    package func announcement(of id: MplexStreamID) -> String? {
        guard let stream = self.streams[id], stream.isUnannounced else { return nil }
        return String(id.number)
    }

    /// Whether bytes, or a half-close, may be sent on a stream.
    package func isSendable(_ id: MplexStreamID) -> Bool {
        self.streams[id].map { !$0.isSendFinished } ?? false
    }

    /// Frames of a stream went out: its announcement if it was due, its bytes, and with `finish` a half-close.
    ///
    /// - Returns: whether that was the end of the stream.
    package mutating func sent(finish: Bool, on id: MplexStreamID, at now: NIODeadline) -> Bool {
        guard let index = self.streams.index(forKey: id) else { return false }
        self.streams.values[index].isUnannounced = false
        guard finish else { return false }
        self.streams.values[index].isSendFinished = true
        self.noteLingering(at: index, now: now)
        guard self.streams.values[index].isOver else { return false }
        self.forget(id, wasReset: false)
        return true
    }

    /// `count` bytes arrived that nobody will ever read.
    ///
    /// While our side still sends, that is fine. Once it has finished too, nobody is interested in the stream, and a peer that goes on is told so.
    /// - Returns: whether that was the end of the stream. The reset waits in ``nextControl()``.
    package mutating func discard(_ count: Int, on id: MplexStreamID) -> Bool {
        guard let index = self.streams.index(forKey: id), self.streams.values[index].isSendFinished else { return false }
        let (sum, overflow) = self.streams.values[index].discarded.addingReportingOverflow(count)
        self.streams.values[index].discarded = overflow ? .max : sum
        guard overflow || sum > self.configuration.maximumDiscard, let reset = self.reset(id) else { return false }
        self.control.append(reset)
        return true
    }

    /// Our side will read nothing more of a stream.
    package mutating func stopReading(_ id: MplexStreamID, at now: NIODeadline) {
        guard let index = self.streams.index(forKey: id) else { return }
        self.streams.values[index].stoppedReading = now
        self.noteLingering(at: index, now: now)
    }

    /// Our side ends a stream at once. Nil when the peer does not know it.
    package mutating func reset(_ id: MplexStreamID) -> MplexHeader? {
        guard let stream = self.streams[id] else { return nil }
        self.forget(id, wasReset: !stream.isUnannounced && !stream.isReceiveFinished)
        return stream.isUnannounced ? nil : Self.reset(id)
    }

    /// Our side takes no new streams. The peer hears of it only by resets: mplex has no goodbye.
    package mutating func startClosing() {
        self.isClosing = true
    }

    // MARK: Time and frames of the session

    /// The next frame that belongs to no stream of the driver's; it goes out now.
    package mutating func nextControl() -> MplexHeader? {
        self.control.popFirst()
    }

    /// Time has passed; every stream's unread bytes were told just before.
    ///
    /// - Returns: streams in which our side has had no interest for too long. They are over; their resets wait in ``nextControl()``.
    package mutating func tick(at now: NIODeadline) -> [MplexStreamID] {
        self.losePatience(at: now)
        let timeout = TimeAmount(self.configuration.lingerTimeout)
        let lingering = self.streams.filter { $0.value.isSendFinished && $0.value.stoppedReading != nil }
        let overdue = lingering.filter { _, stream in stream.stoppedReading.map { now - $0 >= timeout } ?? false }
        for id in overdue.keys {
            if let reset = self.reset(id) { self.control.append(reset) }
        }
        self.lingeringEnds = lingering.filter { overdue[$0.key] == nil }.values.compactMap(\.stoppedReading).min().map { $0 + timeout }
        return Array(overdue.keys)
    }

    // MARK: Private

    /// Nobody here is interested in a stream any more: the peer's half-close is awaited for so long.
    private mutating func noteLingering(at index: Dictionary<MplexStreamID, MplexStreamState>.Index, now: NIODeadline) {
        guard self.streams.values[index].isSendFinished, let stopped = self.streams.values[index].stoppedReading else { return }
        let ends = stopped + TimeAmount(self.configuration.lingerTimeout)
        self.lingeringEnds = min(self.lingeringEnds ?? ends, ends)
    }

    private static func reset(_ id: MplexStreamID) -> MplexHeader {
        MplexHeader(id.isOurs ? .resetInitiator : .resetReceiver, id.number)
    }

    /// A stream on which too much waits is over.
    mutating func overflow(_ id: MplexStreamID, at now: NIODeadline) -> OnUnread {
        self.forget(id, wasReset: true)
        if case .fail(let violation)? = self.answerWithReset(id, at: now) { return .fail(violation) }
        return .overflow(id)
    }

    private mutating func forget(_ id: MplexStreamID, wasReset: Bool) {
        guard let stream = self.streams.removeValue(forKey: id) else { return }
        self.unread -= stream.unread
        if stream.unreadWhenPaused != nil { self.stopWaiting() }
        self.strays.forgot(wasReset: wasReset)
    }
}
