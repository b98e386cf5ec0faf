package import NIOCore

/// One stream as a value: what came in, what goes out, and who waits for which. No lock, no loop, no clock.
///
/// Conducts two halves that know nothing of each other, and what stands before them while a protocol is agreed on. ``MuxedStream`` keeps it
/// in a mutex. Every method only decides; whom to wake is returned, and woken after unlocking.
package struct StreamBuffer: ~Copyable {
    /// Bytes that may wait to be sent before a writer is suspended.
    package static let highWaterMark = 256 * 1_024
    /// A suspended writer goes on once no more than this many bytes wait.
    package static let lowWaterMark = 128 * 1_024

    private var inbound: InboundHalf
    private var outbound = OutboundHalf()
    private var prelude = Prelude()
    /// Set once; from then on reads and writes throw it.
    package private(set) var failure: StreamError?
    /// It has failed with bytes that the muxer had not taken.
    package private(set) var hasDropped = false
    private var pendingReset: StreamErrorCode?
    /// The muxer was called and has not come yet.
    private var isWorkSignalled = false
    /// An adapter that is told instead of a suspended task.
    package var isObserved = false
    /// The adapter has the stream's bytes until they leave, and passes on what it reads, as a circuit's does.
    package var isFed = false
    /// The least that has waited for such a reader since it last earned credit.
    private var leastWaiting = 0
    /// Counts what the application reads and writes; nil where nobody wants to know.
    var meter: StreamMeter?
    package var protocolID: ProtocolID?

    package init(creditThreshold: Int, creditsToTheEnd: Bool = false) {
        self.inbound = InboundHalf(creditThreshold: creditThreshold, creditsToTheEnd: creditsToTheEnd)
    }

    /// Bytes that wait here, both ways.
    package var heldBytes: Int { self.inbound.count + self.outbound.count }

    // MARK: The reader

    /// Bytes of the peer that wait for the reader.
    package var unreadBytes: Int { self.inbound.count }
    /// The peer has said all that it will; what it said may still wait here.
    package var hasPeerFinished: Bool { self.inbound.isFinished }
    /// The peer has said all that it will, and nothing of it was let go of.
    package var isWhole: Bool { self.inbound.isAtEnd }
    /// A task has been told to wait for bytes and has not come back yet.
    package var isReading: Bool { self.inbound.reader.isClaimed }

    /// Takes bytes, or says why there are none.
    ///
    /// - Parameter claiming: after `.wait` the reader's place is taken until ``endReading()``.
    package mutating func read(upTo limit: Int, claiming: Bool = false, wake: inout Wake) -> Read {
        if self.isReading { return .failed(StreamError(.busy, "another task is reading this stream")) }
        guard limit > 0 else { return .bytes(ByteBuffer()) }
        if self.prelude.isAgreed, let bytes = self.inbound.take(upTo: limit) {
            if self.isFed { self.leastWaiting = min(self.leastWaiting, self.inbound.count) }
            if self.inbound.isCreditDue, self.failure == nil { self.signal(&wake) }
            self.meter?.read(bytes.readableBytes)
            return .bytes(bytes)
        }
        if self.inbound.isStopped { return .failed(StreamError(.stoppedReading, "this side has stopped reading")) }
        if self.inbound.isAtEnd, self.prelude.isAgreed { return .end }
        if let failure = self.failure { return .failed(failure) }
        self.releaseHeld(wake: &wake)
        if claiming { self.inbound.reader.claim() }
        return .wait
    }

    /// Registers the task that was told to wait for bytes; false when there is something to read after all.
    package mutating func park(reader: Waiter) -> Bool {
        let hasBytes = self.prelude.isAgreed && self.inbound.count > 0
        if hasBytes || self.inbound.isFinished || self.inbound.isStopped || self.failure != nil { return false }
        return self.inbound.reader.park(reader)
    }

    /// The task that was told to wait has come back; true when it was cancelled.
    package mutating func endReading() -> Bool { self.inbound.reader.leave() }

    /// The task that was told to wait is cancelled: whom to resume.
    package mutating func cancelReader() -> Waiter? { self.inbound.reader.cancel() }

    /// Puts back bytes that were read and not used.
    package mutating func unread(_ bytes: ByteBuffer) {
        self.meter?.read(-bytes.readableBytes)
        self.inbound.unread(bytes)
    }

    package mutating func stopReading(wake: inout Wake) {
        guard !self.inbound.isStopped, self.failure == nil else { return }
        wake.reader = self.inbound.reader.wake()
        if self.inbound.stop() { self.signal(&wake) }
    }

    // MARK: The writer

    /// Bytes that a writer may still add before it would be suspended.
    package var writableBytes: Int { max(0, Self.highWaterMark - self.outbound.count) }
    /// A task has been told to wait for room, or for the half-close, and has not come back yet.
    package var isWriting: Bool { self.outbound.writer.isClaimed }
    package var hasFinishLeft: Bool { self.outbound.hasFinishLeft }

    /// Takes all of the bytes; `.wait` means that they were taken, but that more are not welcome yet.
    ///
    /// - Parameters:
    ///   - isSaving: memory is scarce: what waits here is to take no more than it holds. Asked of what takes much more alone.
    ///   - claiming: after `.wait` the writer's place is taken until ``endWriting()``.
    package mutating func write(
        _ bytes: ByteBuffer, isSaving: @autoclosure () -> Bool = false, claiming: Bool = false, wake: inout Wake
    ) -> Write {
        if let failure = self.failure { return .failed(failure) }
        guard self.outbound.isOpen else { return .failed(StreamError(.finished, "this side has finished writing")) }
        if self.isWriting { return .failed(StreamError(.busy, "another task is writing this stream")) }
        guard bytes.readableBytes > 0 else { return .buffered }
        self.releaseHeld(wake: &wake)
        self.outbound.append(bytes, isSaving: isSaving())
        self.meter?.wrote(bytes.readableBytes)
        self.signal(&wake)
        guard self.outbound.count > Self.highWaterMark else { return .buffered }
        if claiming { self.outbound.writer.claim() }
        return .wait
    }

    /// Keeps bytes back until there is something to send them with, or somebody waits for the answer.
    package mutating func hold(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0, self.failure == nil, self.outbound.isOpen else { return }
        if self.outbound.count > 0 { self.outbound.append(bytes) } else { self.prelude.hold(bytes) }
    }

    package mutating func releaseHeld(wake: inout Wake) {
        guard let held = self.prelude.takeHeld() else { return }
        self.outbound.append(held)
        self.signal(&wake)
    }

    /// Asks for a half-close behind the bytes that wait; `.wait` until they have left.
    package mutating func finish(claiming: Bool = false, wake: inout Wake) -> Write {
        if self.outbound.hasFinishLeft { return .buffered }
        if let failure = self.failure { return .failed(failure) }
        if self.isWriting { return .failed(StreamError(.busy, "another task is writing this stream")) }
        if self.outbound.isOpen {
            self.releaseHeld(wake: &wake)
            self.outbound.finish()
            self.signal(&wake)
        }
        if claiming { self.outbound.writer.claim() }
        return .wait
    }

    /// Registers a writer that waits for room; false when it need not.
    package mutating func park(writer: Waiter) -> Bool {
        if self.failure != nil || self.outbound.hasRoom { return false }
        return self.outbound.writer.park(writer)
    }

    /// Registers a task that waits for the half-close to have left; false when it need not.
    package mutating func park(finisher: Waiter) -> Bool {
        if self.failure != nil || self.outbound.hasFinishLeft { return false }
        return self.outbound.writer.park(finisher)
    }

    /// The task that was told to wait has come back; true when it was cancelled.
    package mutating func endWriting() -> Bool { self.outbound.writer.leave() }

    /// The task that was told to wait is cancelled: whom to resume.
    package mutating func cancelWriter() -> Waiter? { self.outbound.writer.cancel() }

    // MARK: Both

    package mutating func expect(_ expectation: LazyExpectation) { self.prelude.expect(expectation) }

    package mutating func reset(_ code: StreamErrorCode, wake: inout Wake) {
        self.inbound.reset()
        guard self.failure == nil else { return }
        let error = StreamError(.reset, "this side reset the stream", resetCode: code)
        // Both sides have said all that they will: the peer has forgotten the stream.
        let isForgotten = self.outbound.hasFinishLeft && self.inbound.isFinished
        self.fail(error, telling: isForgotten ? nil : code, wake: &wake)
    }

    /// The application let go of the stream: what it did not finish is reset.
    package mutating func release(wake: inout Wake) {
        self.meter = nil
        if self.outbound.isOpen { self.reset(.cancelled, wake: &wake) } else { self.stopReading(wake: &wake) }
    }

    // MARK: The muxer

    /// Takes bytes from the peer, and says how many nobody will ever read: their credit is due at once.
    ///
    /// - Parameter isSaving: memory is scarce: what waits here is to take no more than it holds.
    package mutating func receive(_ bytes: ByteBuffer, isSaving: Bool = false, wake: inout Wake) -> Int {
        if self.failure != nil || self.inbound.isFinished { return bytes.readableBytes }
        var bytes = bytes
        // Whether the peer agrees matters even when nobody will read what comes after.
        if !self.prelude.isAgreed {
            let size = bytes.readableBytes
            let refusal = self.prelude.consume(&bytes)
            self.inbound.consumedPrelude(size - bytes.readableBytes)
            if let refusal { self.fail(refusal, telling: .protocolNegotiationFailed, wake: &wake) }
            if refusal != nil || bytes.readableBytes == 0 { return 0 }
        }
        guard !self.inbound.isStopped else { return bytes.readableBytes }
        self.inbound.append(bytes, isSaving: isSaving)
        wake.reader = self.inbound.reader.wake()
        wake.observer = self.isObserved ? .bytes : .none
        return 0
    }

    package mutating func receiveFinish(wake: inout Wake) {
        guard !self.inbound.isFinished, self.failure == nil else { return }
        self.inbound.finish()
        guard self.prelude.isAgreed else {
            let error = StreamError(.negotiationFailed, "the peer finished before it agreed to a protocol")
            return self.fail(error, telling: .protocolNegotiationFailed, wake: &wake)
        }
        wake.reader = self.inbound.reader.wake()
        self.tellObserver(&wake)
    }

    /// Ends the stream from below: a reset by the peer, or a lost connection.
    ///
    /// - Parameter lettingGo: what came and has not been read goes, too.
    package mutating func fail(_ error: StreamError, lettingGo: Bool = false, wake: inout Wake) {
        if lettingGo {
            self.inbound.reset()
            // Also where the stream has failed before: there was something to pass on, and is no more.
            self.tellObserver(&wake)
        }
        guard self.failure == nil else { return }
        var error = error
        if error.code == .reset, let protocolID = self.prelude.proposed { error = StreamError(error, insteadOfAgreementTo: protocolID) }
        self.fail(error, telling: nil, wake: &wake)
    }

    /// Copies at most `limit` waiting bytes to `record` and reports everything else that is due.
    package mutating func drain(upTo limit: Int, to record: inout ByteBuffer, wake: inout Wake) -> Drained {
        self.isWorkSignalled = false
        var drained = Drained()
        drained.reset = self.pendingReset.take()
        guard self.failure == nil else { return drained }
        drained.credit = self.inbound.takeCredit()
        if self.isFed, drained.credit > 0 {
            // What was dropped waits no more.
            drained.waiting = Waiting(least: min(self.leastWaiting, self.inbound.count), now: self.inbound.count)
            self.leastWaiting = self.inbound.count
        }
        drained.stopReading = self.inbound.takeStop()
        (drained.copied, drained.finish) = self.outbound.drain(upTo: limit, to: &record)
        drained.remaining = self.outbound.count
        // What is held back goes first.
        drained.isHungry = self.isFed && drained.remaining == 0 && self.outbound.isOpen && !self.prelude.isHolding
        if drained.copied > 0, self.outbound.hasRoom, self.outbound.isOpen {
            wake.writer = self.outbound.writer.wake()
            self.tellObserver(&wake)
        }
        return drained
    }

    /// So many bytes left that waited with whoever feeds the stream.
    package mutating func wasFed(_ count: Int) { self.meter?.wrote(count) }

    /// There are bytes for the stream, with whoever feeds it.
    package mutating func askForBytes(wake: inout Wake) {
        guard self.failure == nil else { return }
        self.releaseHeld(wake: &wake)
        self.signal(&wake)
    }

    /// The half-close was written to the transport.
    package mutating func finishLeft(wake: inout Wake) {
        guard self.outbound.finishLeft() else { return }
        wake.writer = self.outbound.writer.wake()
        self.tellObserver(&wake)
    }

    /// What the reader has consumed by now may be worth being returned by a lower threshold.
    package mutating func setCreditThreshold(_ threshold: Int, wake: inout Wake) {
        self.inbound.creditThreshold = threshold
        if self.inbound.isCreditDue, self.failure == nil { self.signal(&wake) }
    }

    // MARK: Private

    /// Fails the stream, and has the peer told if it does not know.
    private mutating func fail(_ error: StreamError, telling code: StreamErrorCode?, wake: inout Wake) {
        self.failure = error
        self.hasDropped = self.outbound.count > 0 || self.prelude.isHolding
        _ = self.prelude.takeHeld()
        self.outbound.removeAll()
        wake.reader = self.inbound.reader.wake()
        wake.writer = self.outbound.writer.wake()
        self.tellObserver(&wake)
        guard let code else { return }
        self.pendingReset = code
        self.signal(&wake)
    }

    private func tellObserver(_ wake: inout Wake) {
        if self.isObserved { wake.observer = .change }
    }

    private mutating func signal(_ wake: inout Wake) {
        guard !self.isWorkSignalled else { return }
        self.isWorkSignalled = true
        wake.muxer = true
    }
}
