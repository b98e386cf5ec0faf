import NIOCore
import NIOEmbedded
import P2PCore
import P2PNegotiation

/// A stream under any sequence of operations: no byte lost or twice, no credit out of nothing, nobody left waiting.
enum StreamBufferFuzzing {
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let (threshold, kind) = (1 + input.size(), input.byte())
        var stream = StreamUnderTest(creditThreshold: threshold, lazily: kind & 3 == 3, isFed: kind & 4 != 0)
        while !input.isEmpty, stream.volume < 1 << 20 {
            switch input.byte() % 22 {
            case 0, 1, 2: stream.receive(input.size())
            case 3: stream.answer(input.byte())
            case 4, 5, 6: stream.read(upTo: input.size(), isCancelled: input.byte() & 7 == 7)
            case 7: stream.unread(input.size())
            case 8, 9: stream.write(input.size())
            case 10: stream.hold(input.size() & 0xff)
            case 11, 12, 13: stream.drain(upTo: input.size())
            case 14: stream.finish()
            case 15: stream.finishLeft()
            case 16: stream.receiveFinish()
            case 17: stream.cancel(input.byte())
            case 18: stream.setCreditThreshold(1 + input.size())
            case 19, 20: stream.feed(input.size(), isAsking: input.byte() & 3 != 0)
            default: stream.end(input.byte())
            }
            stream.check()
        }
        stream.wind()
    }
}

/// A stream, and what must be true of it: bytes are known by their place, waiters by whether they were called.
private struct StreamUnderTest: ~Copyable {
    /// A continuation that is never resumed: it stands for every task that waits.
    private static let waiter: UnsafeContinuation<Void, Never> = {
        let loop = EmbeddedEventLoop()
        let executor = EventLoopTaskExecutor(loop)
        nonisolated(unsafe) var waiter: UnsafeContinuation<Void, Never>?
        Task(executorPreference: executor) { await withUnsafeContinuation { waiter = $0 } }
        loop.run()
        guard let waiter else { preconditionFailure("the task that lends its continuation has not run") }
        withExtendedLifetime(executor) {}
        return waiter
    }()

    private enum WriterWait { case none, room, departure }

    private static let entry = NegotiationTable.entry("/fuzz/1.0.0")

    private var buffer: StreamBuffer
    /// All that the operations have moved, to end runs that only grow.
    private(set) var volume = 0

    // Inbound
    private var answerLeft: [UInt8]
    private var isAnswered: Bool
    private var received = 0
    private var readTo = 0
    private var lastRead = 0
    private var credited = 0
    private var answerBytes = 0
    private var hasPeerFinished = false
    private var hasStopped = false
    private var isReaderParked = false
    /// A reader was told to wait and has not come back.
    private var isReaderClaimed = false
    private var wasResetHere = false

    // Outbound
    private let isFed: Bool
    /// Bytes that wait with whoever feeds the stream, which come behind those that wait in it.
    private var waitingToBeFed = 0
    /// The stream was told of these.
    private var isFoodAnnounced = false
    private var written = 0
    private var heldCount = 0
    private var drainedTo = 0
    private var finishing = Finish.open
    private var writerWait = WriterWait.none
    private var isWriterClaimed = false

    private var isWorkSignalled = false
    private var knowsOfMore = false
    private var hasFailed = false
    private var isResetDue = false

    private enum Finish { case open, requested, taken, left }

    init(creditThreshold: Int, lazily: Bool, isFed: Bool) {
        self.buffer = StreamBuffer(creditThreshold: creditThreshold)
        self.buffer.isFed = isFed
        self.isFed = isFed
        self.isAnswered = !lazily
        self.answerLeft = lazily ? Array(Self.entry.opening.readableBytesView) : []
        if lazily {
            self.buffer.expect(Self.entry.expectation)
            self.buffer.hold(Self.bytes(0, Self.entry.opening.readableBytes))
            self.heldCount = Self.entry.opening.readableBytes
            self.written = self.heldCount
        }
    }

    /// The bytes of a stream from one place on.
    private static func bytes(_ from: Int, _ count: Int) -> ByteBuffer { FuzzPattern.bytes(at: from, count: count) }

    private static func expect(_ bytes: ByteBuffer, at place: Int) {
        precondition(FuzzPattern.isPattern(bytes, at: place), "the \(bytes.readableBytes) bytes at \(place) are others")
    }

    private mutating func note(_ wake: consuming StreamBuffer.Wake) {
        if wake.reader != nil {
            precondition(self.isReaderParked, "a reader is called that does not wait")
            self.isReaderParked = false
        }
        if wake.writer != nil {
            precondition(self.writerWait != .none, "a writer is called that does not wait")
            self.writerWait = .none
        }
        if wake.muxer { self.isWorkSignalled = true }
    }

    // MARK: The muxer's side

    mutating func receive(_ count: Int) {
        guard self.isAnswered else { return }
        let count = min(count, 1 << 17)
        self.volume += count
        var wake = StreamBuffer.Wake()
        let discarded = self.buffer.receive(Self.bytes(self.received, count), wake: &wake)
        self.note(wake)
        guard !self.hasFailed, !self.hasStopped, !self.hasPeerFinished else {
            precondition(discarded == count, "\(discarded) of \(count) bytes discarded")
            return
        }
        precondition(discarded == 0, "\(discarded) of \(count) bytes discarded")
        self.received += count
    }

    /// Some of the peer's answer to a lazy proposal, or something else.
    mutating func answer(_ choice: UInt8) {
        guard !self.isAnswered, !self.hasPeerFinished, !self.hasFailed, !self.hasStopped else { return }
        var wake = StreamBuffer.Wake()
        guard choice != 0xff else {
            precondition(self.buffer.receive(ByteBuffer(bytes: [0xfe, 0xfe]), wake: &wake) == 0)
            self.note(wake)
            self.hasFailed = true
            self.isResetDue = true
            precondition(self.buffer.failure?.code == .negotiationFailed)
            return
        }
        let part = Array(self.answerLeft.prefix(1 + Int(choice)))
        self.answerLeft.removeFirst(part.count)
        self.isAnswered = self.answerLeft.isEmpty
        var bytes = ByteBuffer(bytes: part)
        // The application's first bytes travel with the end of the answer.
        let more = self.isAnswered ? Int(choice >> 4) : 0
        bytes.writeImmutableBuffer(Self.bytes(self.received, more))
        precondition(self.buffer.receive(bytes, wake: &wake) == 0)
        self.note(wake)
        self.answerBytes += part.count
        self.received += more
    }

    mutating func receiveFinish() {
        var wake = StreamBuffer.Wake()
        self.buffer.receiveFinish(wake: &wake)
        self.note(wake)
        if !self.hasFailed, !self.hasPeerFinished, !self.isAnswered {
            self.hasFailed = true
            self.isResetDue = true
        }
        if !self.hasFailed { self.hasPeerFinished = true }
    }

    mutating func drain(upTo limit: Int) {
        var record = ByteBuffer()
        var wake = StreamBuffer.Wake()
        let drained = self.buffer.drain(upTo: limit, to: &record, wake: &wake)
        self.note(wake)
        let hadReason = self.isWorkSignalled || self.knowsOfMore
        self.isWorkSignalled = false
        precondition(drained.copied == record.readableBytes && drained.copied <= limit && drained.remaining >= 0)
        precondition((drained.reset != nil) == self.isResetDue, "a reset is due: \(self.isResetDue)")
        if drained.reset != nil {
            precondition(hadReason && drained.copied == 0 && !drained.finish && drained.credit == 0, "a reset comes alone")
            self.isResetDue = false
        }
        if self.hasFailed { precondition(drained.copied == 0 && !drained.finish && drained.credit == 0 && drained.remaining == 0) }
        precondition(drained.copied == 0 || hadReason, "the muxer was not told of \(drained.copied) bytes")
        precondition(!(drained.finish || drained.stopReading) || hadReason, "the muxer was not told of an end")
        Self.expect(record, at: self.drainedTo)
        self.drainedTo += drained.copied
        self.volume += drained.copied
        precondition(self.hasFailed || self.drainedTo + drained.remaining + self.heldCount == self.written, "bytes are lost on the way out")
        self.knowsOfMore = drained.remaining > 0
        let isFree = !self.hasFailed && drained.reset == nil && self.finishing == .open && drained.remaining == 0 && self.heldCount == 0
        precondition(drained.isHungry == (self.isFed && isFree), "a stream asks for bytes: \(drained.isHungry)")
        if drained.isHungry {
            precondition(!self.isFoodAnnounced || hadReason, "the muxer was not told of \(self.waitingToBeFed) bytes to be fed")
            let fed = min(self.waitingToBeFed, limit - drained.copied)
            self.buffer.wasFed(fed)
            self.waitingToBeFed -= fed
            self.written += fed
            self.drainedTo += fed
            self.volume += fed
            self.knowsOfMore = self.waitingToBeFed > 0
            self.isFoodAnnounced = self.isFoodAnnounced && self.knowsOfMore
        }
        if drained.finish {
            precondition(self.finishing == .requested && self.drainedTo == self.written, "an early half-close")
            self.finishing = .taken
        }
        precondition(drained.credit >= 0)
        self.credited += drained.credit
        precondition(!drained.stopReading || self.hasStopped)
        precondition((drained.waiting != nil) == (self.isFed && drained.credit > 0))
        if let waiting = drained.waiting {
            precondition(waiting.least >= 0 && waiting.least <= waiting.now && waiting.now <= self.received - self.readTo, "\(waiting)")
        }
        if self.writerWait == .room, !self.hasFailed {
            precondition(drained.copied == 0 || drained.remaining > StreamBuffer.lowWaterMark, "a writer waits though there is room")
        }
    }

    mutating func finishLeft() {
        var wake = StreamBuffer.Wake()
        self.buffer.finishLeft(wake: &wake)
        self.note(wake)
        if self.finishing == .taken { self.finishing = .left }
        precondition(self.buffer.hasFinishLeft == (self.finishing == .left))
    }

    mutating func setCreditThreshold(_ threshold: Int) {
        var wake = StreamBuffer.Wake()
        self.buffer.setCreditThreshold(threshold, wake: &wake)
        self.note(wake)
    }

    // MARK: The application's side

    /// Reads once; when that waits, a cancelled task comes back at once.
    mutating func read(upTo limit: Int, isCancelled: Bool) {
        self.returnReader()
        var wake = StreamBuffer.Wake()
        switch self.buffer.read(upTo: limit, claiming: true, wake: &wake) {
        case .bytes(let bytes):
            self.note(wake)
            precondition(!self.isReaderClaimed && bytes.readableBytes <= limit && (bytes.readableBytes > 0) == (limit > 0))
            precondition(self.isAnswered || limit == 0, "bytes before the answer")
            Self.expect(bytes, at: self.readTo)
            self.readTo += bytes.readableBytes
            self.lastRead = bytes.readableBytes
            precondition(self.readTo <= self.received, "bytes that nobody sent")
        case .end:
            self.note(wake)
            precondition(self.hasPeerFinished && !self.wasResetHere && !self.hasStopped)
            precondition(self.readTo == self.received, "an end before the last byte")
        case .failed(let error):
            self.note(wake)
            precondition(self.isReaderClaimed || self.hasFailed || self.hasStopped, "a read fails: \(error)")
        case .wait:
            self.note(wake)
            self.heldCount = 0
            precondition(!self.hasFailed && !self.hasStopped && !self.hasPeerFinished)
            precondition(!self.isAnswered || self.readTo == self.received, "a read waits though there are bytes")
            self.isReaderClaimed = true
            if isCancelled { self.cancel(0) }
            self.isReaderParked = self.buffer.park(reader: Self.waiter)
            precondition(self.isReaderParked != isCancelled, "parked: \(self.isReaderParked)")
            if isCancelled { precondition(self.buffer.endReading(), "a cancelled reader is not told") }
            self.isReaderClaimed = !isCancelled
        }
    }

    /// A reader that was called comes back.
    private mutating func returnReader() {
        guard self.isReaderClaimed, !self.isReaderParked else { return }
        _ = self.buffer.endReading()
        self.isReaderClaimed = false
    }

    /// A writer that was called comes back.
    private mutating func returnWriter() {
        guard self.isWriterClaimed, self.writerWait == .none else { return }
        _ = self.buffer.endWriting()
        self.isWriterClaimed = false
    }

    /// Puts back some of what the last read gave.
    mutating func unread(_ count: Int) {
        guard !self.isReaderClaimed, self.lastRead > 0, !self.hasStopped, !self.wasResetHere else { return }
        let count = min(count, self.lastRead)
        self.readTo -= count
        self.buffer.unread(Self.bytes(self.readTo, count))
        self.lastRead = 0
    }

    mutating func write(_ count: Int) {
        let count = min(count, 1 << 18)
        self.returnWriter()
        var wake = StreamBuffer.Wake()
        switch self.buffer.write(Self.bytes(self.written, count), claiming: true, wake: &wake) {
        case .buffered:
            self.note(wake)
            self.wrote(count)
            let waiting = self.written - self.drainedTo - self.heldCount
            precondition(count == 0 || waiting <= StreamBuffer.highWaterMark, "a writer above the mark goes on")
        case .wait:
            self.note(wake)
            self.wrote(count)
            precondition(self.written - self.drainedTo > StreamBuffer.highWaterMark, "a writer waits though there is room")
            precondition(self.buffer.park(writer: Self.waiter))
            self.isWriterClaimed = true
            self.writerWait = .room
        case .failed(let error):
            self.note(wake)
            precondition(self.hasFailed || self.finishing != .open || self.isWriterClaimed, "a write fails: \(error)")
        }
    }

    private mutating func wrote(_ count: Int) {
        precondition(!self.hasFailed && self.finishing == .open)
        self.written += count
        self.volume += count
        if count > 0 { self.heldCount = 0 }
    }

    /// Whoever feeds the stream has more for it.
    ///
    /// - Parameter isAsking: it says so; else it will later.
    mutating func feed(_ count: Int, isAsking: Bool) {
        guard self.isFed, !self.hasFailed, self.finishing == .open else { return }
        self.waitingToBeFed += min(count, 1 << 17)
        guard isAsking else { return }
        self.isFoodAnnounced = self.waitingToBeFed > 0
        var wake = StreamBuffer.Wake()
        self.buffer.askForBytes(wake: &wake)
        self.note(wake)
        self.heldCount = 0
    }

    mutating func hold(_ count: Int) {
        guard !self.isFoodAnnounced else { return }
        let isEmpty = self.written - self.drainedTo == self.heldCount
        self.buffer.hold(Self.bytes(self.written, count))
        guard !self.hasFailed, self.finishing == .open else { return }
        self.written += count
        if isEmpty { self.heldCount += count }
    }

    mutating func finish() {
        self.returnWriter()
        var wake = StreamBuffer.Wake()
        switch self.buffer.finish(claiming: true, wake: &wake) {
        case .buffered:
            self.note(wake)
            precondition(self.finishing == .left)
        case .wait:
            self.note(wake)
            precondition(!self.hasFailed && self.finishing != .left)
            self.heldCount = 0
            if self.finishing == .open { self.finishing = .requested }
            precondition(self.buffer.park(finisher: Self.waiter))
            self.isWriterClaimed = true
            self.writerWait = .departure
        case .failed(let error):
            self.note(wake)
            precondition(self.hasFailed || self.isWriterClaimed, "a half-close fails: \(error)")
        }
    }

    /// Cancels the task that reads or writes, if one waits.
    mutating func cancel(_ choice: UInt8) {
        var wake = StreamBuffer.Wake()
        if choice & 1 == 0 {
            guard self.isReaderClaimed else { return }
            wake.reader = self.buffer.cancelReader()
            precondition((wake.reader != nil) == self.isReaderParked)
        } else {
            guard self.isWriterClaimed else { return }
            wake.writer = self.buffer.cancelWriter()
            precondition((wake.writer != nil) == (self.writerWait != .none))
        }
        self.note(wake)
    }

    /// Stops reading, resets, lets go or loses the stream.
    mutating func end(_ choice: UInt8) {
        guard choice & 3 == 0 else { return }
        var wake = StreamBuffer.Wake()
        let isOver = self.finishing == .left && self.hasPeerFinished
        switch choice >> 2 & 3 {
        case 0:
            self.buffer.stopReading(wake: &wake)
            self.noteStop()
        case 1:
            self.buffer.reset(.cancelled, wake: &wake)
            self.noteReset(isOver)
        case 2:
            let isOpen = self.finishing == .open
            self.buffer.release(wake: &wake)
            if isOpen { self.noteReset(isOver) } else { self.noteStop() }
        default:
            let isLettingGo = choice & 64 != 0
            self.buffer.fail(StreamError(.reset, "the peer reset the stream"), lettingGo: isLettingGo, wake: &wake)
            self.hasFailed = true
            if isLettingGo { (self.wasResetHere, self.readTo) = (true, self.received) }
        }
        self.note(wake)
    }

    private mutating func noteStop() {
        guard !self.hasFailed else { return }
        self.hasStopped = true
        self.readTo = self.received
    }

    private mutating func noteReset(_ isOver: Bool) {
        self.wasResetHere = true
        self.readTo = self.received
        guard !self.hasFailed else { return }
        self.hasFailed = true
        self.isResetDue = !isOver
    }

    // MARK: What must hold

    func check() {
        precondition((self.buffer.failure != nil) == self.hasFailed, "failed: \(self.hasFailed)")
        precondition(self.credited <= self.received + self.answerBytes, "a credit of \(self.credited) for \(self.received) bytes")
        precondition(self.buffer.writableBytes >= 0 && self.buffer.writableBytes <= StreamBuffer.highWaterMark)
        let hasNews = self.hasFailed || self.hasStopped || self.hasPeerFinished || (self.isAnswered && self.readTo < self.received)
        precondition(!self.isReaderParked || !hasNews, "a reader waits though there is news")
        precondition(self.writerWait == .none || !self.hasFailed, "a writer waits for a stream that is gone")
        precondition(self.writerWait != .departure || self.finishing != .left, "a half-close has left and nobody is told")
        let isWorkDue = self.isResetDue || (!self.hasFailed && self.written - self.heldCount > self.drainedTo)
        let isFinishDue = !self.hasFailed && self.finishing == .requested
        let isFoodDue = !self.hasFailed && self.finishing == .open && self.isFoodAnnounced
        precondition(!(isWorkDue || isFinishDue || isFoodDue) || self.isWorkSignalled || self.knowsOfMore, "the muxer is not told")
    }

    /// Drains and reads everything that is left.
    mutating func wind() {
        self.drain(upTo: .max)
        self.check()
        self.returnReader()
        while !self.isReaderClaimed, !self.hasStopped, !self.wasResetHere, self.isAnswered, self.readTo < self.received {
            let before = self.readTo
            self.read(upTo: .max, isCancelled: false)
            precondition(self.readTo > before, "bytes are left unread")
        }
        if !self.hasFailed { precondition(self.heldCount > 0 || self.drainedTo == self.written, "bytes are left") }
        self.check()
    }
}
