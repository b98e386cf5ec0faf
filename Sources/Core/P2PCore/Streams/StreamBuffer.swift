package import NIOCore

/// One stream as a value: what came in, what goes out, and who waits for which. No lock, no loop, no clock.
///
/// ``MuxedStream`` keeps it in a mutex. Every method only decides; whom to wake is returned, and woken after unlocking.
package struct StreamBuffer: ~Copyable {
    /// Bytes that may wait to be sent before a writer is suspended.
    package static let highWaterMark = 256 * 1_024
    /// A suspended writer goes on once no more than this many bytes wait.
    package static let lowWaterMark = 128 * 1_024

    /// Whoever waits for the stream: a suspended task, or an object that asked to be told.
    package struct Waiter {
        package let continuation: UnsafeContinuation<Void, Never>

        package init(continuation: UnsafeContinuation<Void, Never>) {
            self.continuation = continuation
        }
    }

    /// Who is to be called once the lock is released.
    package struct Wake: ~Copyable {
        package var reader: Waiter?
        package var writer: Waiter?
        package var muxer = false
        package var observer = false

        package init() {}
    }

    package enum Read: ~Copyable {
        case bytes(ByteBuffer)
        case end
        case wait
        case failed(StreamError)
    }

    package enum Write: ~Copyable {
        case buffered
        case wait
        case failed(StreamError)
    }

    /// What the muxer finds when it comes for a stream.
    package struct Drained: ~Copyable {
        /// Bytes copied to the record.
        package var copied = 0
        /// Bytes that still wait.
        package var remaining = 0
        /// Every byte has left and this side is done: FIN is due, and said once.
        package var finish = false
        /// A reset is due, and said once; nothing else follows.
        package var reset: StreamErrorCode?
        /// The reader wants no more; said once.
        package var stopReading = false
        /// Bytes that the reader consumed since the last time, to be given back as credit.
        package var credit = 0
    }

    private enum FinishState { case open, requested, taken, left }

    private var inbound = ByteQueue()
    private var inboundFinished = false
    private var readingStopped = false
    private var consumed = 0
    private var creditThreshold: Int
    /// Whether credit is still worth something when the peer has finished: it is where streams share a window.
    private let creditsToTheEnd: Bool
    private var reader: Waiter?
    private var readerCancelled = false
    /// A task has been told to wait for bytes and has not come back yet.
    package private(set) var isReading = false

    private var held: ByteBuffer?
    private var outbound = ByteQueue()
    private var finishState = FinishState.open
    private var writer: Waiter?
    private var writerCancelled = false
    /// A task has been told to wait for room, or for the half-close, and has not come back yet.
    package private(set) var isWriting = false

    private var pendingReset: StreamErrorCode?
    private var wasResetHere = false
    private var stopReadingPending = false
    private var workSignalled = false

    /// Answer that lazy negotiation still expects before the application's bytes.
    private var expectation: LazyExpectation?

    /// Set once; from then on reads and writes throw it.
    package private(set) var failure: StreamError?
    package var protocolID: ProtocolID?
    /// An adapter that is told instead of a suspended task.
    package var isObserved = false

    package init(creditThreshold: Int, creditsToTheEnd: Bool = false) {
        self.creditThreshold = creditThreshold
        self.creditsToTheEnd = creditsToTheEnd
    }

    // MARK: The reader

    /// Takes bytes, or says why there are none.
    ///
    /// - Parameter claiming: after `.wait` the reader's place is taken until ``endReading()``.
    package mutating func read(upTo limit: Int, claiming: Bool = false, wake: inout Wake) -> Read {
        if self.isReading { return .failed(StreamError(.busy, "another task is reading this stream")) }
        guard limit > 0 else { return .bytes(ByteBuffer()) }
        if self.expectation == nil, let bytes = self.inbound.take(upTo: limit) {
            self.consume(bytes.readableBytes, wake: &wake)
            return .bytes(bytes)
        }
        if self.readingStopped { return .failed(StreamError(.stoppedReading, "this side has stopped reading")) }
        // What a peer finished is whole, whatever became of the connection since.
        if self.inboundFinished, self.expectation == nil, !self.wasResetHere { return .end }
        if let failure = self.failure { return .failed(failure) }
        self.releaseHeld(wake: &wake)
        self.isReading = claiming
        return .wait
    }

    /// Registers the task that was told to wait for bytes; false when there is something to read after all.
    package mutating func park(reader: Waiter) -> Bool {
        let hasBytes = self.expectation == nil && !self.inbound.isEmpty
        if self.readerCancelled || hasBytes || self.inboundFinished || self.failure != nil || self.readingStopped { return false }
        self.reader = reader
        return true
    }

    /// The task that was told to wait has come back; true when it was cancelled.
    package mutating func endReading() -> Bool {
        defer { self.readerCancelled = false }
        self.isReading = false
        return self.readerCancelled
    }

    package mutating func cancelReader(wake: inout Wake) {
        self.readerCancelled = true
        wake.reader = self.reader.take()
    }

    /// Puts back bytes that were read and not used.
    ///
    /// Their credit may have been returned already, so the count of consumed bytes may fall below zero until they are
    /// read again: otherwise the window would grow with each message that shares a buffer with the next.
    package mutating func unread(_ bytes: ByteBuffer) {
        guard !self.readingStopped, !self.wasResetHere else { return }
        self.inbound.prepend(bytes)
        self.consumed -= bytes.readableBytes
    }

    package mutating func stopReading(wake: inout Wake) {
        guard !self.readingStopped, self.failure == nil else { return }
        self.readingStopped = true
        wake.reader = self.reader.take()
        if self.inboundFinished {
            self.inbound.removeAll()
            return
        }
        self.consumed += self.inbound.removeAll()
        self.stopReadingPending = true
        self.signal(&wake)
    }

    // MARK: The writer

    /// Takes all of the bytes; `.wait` means that they were taken, but that more are not welcome yet.
    ///
    /// - Parameter claiming: after `.wait` the writer's place is taken until ``endWriting()``.
    package mutating func write(_ bytes: ByteBuffer, claiming: Bool = false, wake: inout Wake) -> Write {
        if let failure = self.failure { return .failed(failure) }
        guard self.finishState == .open else { return .failed(StreamError(.finished, "this side has finished writing")) }
        if self.isWriting { return .failed(StreamError(.busy, "another task is writing this stream")) }
        guard bytes.readableBytes > 0 else { return .buffered }
        if let held = self.held.take() { self.outbound.append(held) }
        self.outbound.append(bytes)
        self.signal(&wake)
        guard self.outbound.count > Self.highWaterMark else { return .buffered }
        self.isWriting = claiming
        return .wait
    }

    /// Keeps bytes back until there is something to send them with, or somebody waits for the answer.
    package mutating func hold(_ bytes: ByteBuffer) {
        guard self.failure == nil, self.finishState == .open else { return }
        if !self.outbound.isEmpty {
            self.outbound.append(bytes)
        } else if self.held == nil {
            self.held = bytes
        } else {
            self.held?.writeImmutableBuffer(bytes)
        }
    }

    package mutating func releaseHeld(wake: inout Wake) {
        guard let held = self.held.take() else { return }
        self.outbound.append(held)
        self.signal(&wake)
    }

    /// Registers a writer that waits for room; false when it need not.
    package mutating func park(writer: Waiter) -> Bool {
        if self.writerCancelled || self.failure != nil || self.outbound.count <= Self.lowWaterMark { return false }
        self.writer = writer
        return true
    }

    package mutating func cancelWriter(wake: inout Wake) {
        self.writerCancelled = true
        wake.writer = self.writer.take()
    }

    /// Asks for a half-close behind the bytes that wait; `.wait` until they have left.
    package mutating func finish(claiming: Bool = false, wake: inout Wake) -> Write {
        if self.finishState == .left { return .buffered }
        if let failure = self.failure { return .failed(failure) }
        if self.isWriting { return .failed(StreamError(.busy, "another task is writing this stream")) }
        if self.finishState == .open {
            if let held = self.held.take() { self.outbound.append(held) }
            self.finishState = .requested
            self.signal(&wake)
        }
        self.isWriting = claiming
        return .wait
    }

    /// Registers a task that waits for the half-close to have left; false when it need not.
    package mutating func park(finisher: Waiter) -> Bool {
        if self.writerCancelled || self.failure != nil || self.finishState == .left { return false }
        self.writer = finisher
        return true
    }

    /// The task that was told to wait has come back; true when it was cancelled.
    package mutating func endWriting() -> Bool {
        defer { self.writerCancelled = false }
        self.isWriting = false
        return self.writerCancelled
    }

    /// Bytes of the peer that wait for the reader.
    package var unreadBytes: Int { self.inbound.count }

    package var hasFinishLeft: Bool { self.finishState == .left }

    /// Bytes that a writer may still add before it would be suspended.
    package var writableBytes: Int { max(0, Self.highWaterMark - self.outbound.count) }

    package mutating func reset(_ code: StreamErrorCode, wake: inout Wake) {
        self.wasResetHere = true
        self.inbound.removeAll()
        guard self.failure == nil else { return }
        self.fail(StreamError(.reset, "this side reset the stream", resetCode: code), wake: &wake)
        // Both sides have said all that they will: the peer has forgotten the stream.
        if self.finishState == .left, self.inboundFinished { return }
        self.pendingReset = code
        self.signal(&wake)
    }

    /// The application let go of the stream: what it did not finish is reset.
    package mutating func release(wake: inout Wake) {
        if self.finishState == .open {
            self.reset(.cancelled, wake: &wake)
        } else {
            self.stopReading(wake: &wake)
        }
    }

    // MARK: The muxer

    /// Takes bytes from the peer, and says how many nobody will ever read: their credit is due at once.
    package mutating func receive(_ bytes: ByteBuffer, wake: inout Wake) -> Int {
        let size = bytes.readableBytes
        if self.failure != nil || self.inboundFinished { return size }
        // Whether the peer agrees matters even when nobody will read what comes after.
        if self.readingStopped, self.expectation == nil { return size }
        self.inbound.append(bytes)
        if self.expectation != nil {
            let discarded = self.inbound.count
            self.meetExpectation(wake: &wake)
            self.consumed += discarded - self.inbound.count
            guard self.expectation == nil, !self.inbound.isEmpty else { return 0 }
            if self.readingStopped { return self.inbound.removeAll() }
        }
        wake.reader = self.reader.take()
        wake.observer = self.isObserved
        return 0
    }

    package mutating func receiveFinish(wake: inout Wake) {
        guard !self.inboundFinished, self.failure == nil else { return }
        self.inboundFinished = true
        if self.expectation != nil {
            self.fail(StreamError(.negotiationFailed, "the peer finished before it agreed to a protocol"), wake: &wake)
            self.pendingReset = .protocolNegotiationFailed
            self.signal(&wake)
        }
        wake.reader = self.reader.take() ?? wake.reader.take()
        wake.observer = self.isObserved
    }

    /// Ends the stream from below: a reset by the peer, or a lost connection.
    package mutating func fail(_ error: StreamError, wake: inout Wake) {
        guard self.failure == nil else { return }
        self.failure = error
        self.held = nil
        self.outbound.removeAll()
        wake.reader = self.reader.take()
        wake.writer = self.writer.take()
        wake.observer = self.isObserved
    }

    /// Copies at most `limit` waiting bytes to `record` and reports everything else that is due.
    package mutating func drain(upTo limit: Int, to record: inout ByteBuffer, wake: inout Wake) -> Drained {
        self.workSignalled = false
        var drained = Drained()
        if let code = self.pendingReset.take() {
            drained.reset = code
            return drained
        }
        guard self.failure == nil else { return drained }
        if self.isCreditWelcome, self.consumed > 0, self.consumed >= self.creditThreshold || self.readingStopped {
            drained.credit = self.consumed
            self.consumed = 0
        }
        if self.stopReadingPending {
            self.stopReadingPending = false
            drained.stopReading = true
        }
        drained.copied = self.outbound.copy(upTo: limit, to: &record)
        drained.remaining = self.outbound.count
        if drained.remaining == 0, self.finishState == .requested {
            self.finishState = .taken
            drained.finish = true
        }
        if drained.copied > 0, self.outbound.count <= Self.lowWaterMark, self.finishState == .open {
            wake.writer = self.writer.take()
            wake.observer = self.isObserved
        }
        return drained
    }

    /// The half-close was written to the transport.
    package mutating func finishLeft(wake: inout Wake) {
        guard self.finishState == .taken else { return }
        self.finishState = .left
        wake.writer = self.writer.take()
        wake.observer = self.isObserved
    }

    package mutating func setCreditThreshold(_ threshold: Int) {
        self.creditThreshold = threshold
    }

    // MARK: Lazy negotiation

    package mutating func expect(_ expectation: LazyExpectation) {
        self.expectation = expectation
    }

    private mutating func meetExpectation(wake: inout Wake) {
        while var expectation = self.expectation, var bytes = self.inbound.take(upTo: expectation.remaining) {
            switch expectation.consume(&bytes) {
            case .more:
                self.expectation = expectation
            case .met:
                self.expectation = nil
                self.inbound.prepend(bytes)
            case .failed(let error):
                self.fail(error, wake: &wake)
                self.pendingReset = .protocolNegotiationFailed
                self.inbound.removeAll()
                self.signal(&wake)
                return
            }
        }
    }

    // MARK: Private

    private var isCreditWelcome: Bool { !self.inboundFinished || self.creditsToTheEnd }

    private mutating func consume(_ count: Int, wake: inout Wake) {
        self.consumed += count
        if self.isCreditWelcome, self.failure == nil, self.consumed >= self.creditThreshold { self.signal(&wake) }
    }

    private mutating func signal(_ wake: inout Wake) {
        guard !self.workSignalled else { return }
        self.workSignalled = true
        wake.muxer = true
    }
}
