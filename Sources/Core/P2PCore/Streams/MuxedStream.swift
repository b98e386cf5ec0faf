package import NIOCore
import Synchronization

/// What a muxer does for its streams. Called from any thread, outside every lock.
package protocol MuxedStreamOwner: AnyObject, Sendable {
    /// The stream has bytes, a half-close, a reset or credit for the peer; come and ``MuxedStream/copy(upTo:to:)`` it.
    func streamHasWork(_ stream: MuxedStream)
    /// The stream holds so many bytes more in its buffers, or less.
    func streamHolds(_ change: Int)
    /// Whether memory is scarce: what waits in buffers is to take no more than it holds.
    var savesMemory: Bool { get }
    /// The loop on which the muxer works; nil where it has none.
    var home: (any EventLoop)? { get }
}

extension MuxedStreamOwner {
    /// Nobody counts.
    package func streamHolds(_ change: Int) {}
    /// It never is.
    package var savesMemory: Bool { false }
    /// It works on any thread.
    package var home: (any EventLoop)? { nil }
}

/// An adapter that wants to be told, instead of a task that waits. Called from any thread, outside every lock.
package protocol MuxedStreamObserver: AnyObject, Sendable {
    /// There may be bytes to read, room to write, an end or a failure: look again.
    func streamChanged()
    /// There are bytes to read, and nothing else has changed.
    func streamReceived(_ stream: MuxedStream)
    /// Bytes that it has for a stream which it feeds.
    func waitingBytes(for stream: MuxedStream) -> Int
    /// Gives at most `limit` of these, which leave at once: there is room and credit for them. Nil when it has none.
    func takeBytes(for stream: MuxedStream, upTo limit: Int) -> ByteBuffer?
}

extension MuxedStreamObserver {
    /// As any change.
    package func streamReceived(_ stream: MuxedStream) { self.streamChanged() }
    /// It feeds none.
    package func waitingBytes(for stream: MuxedStream) -> Int { 0 }
    /// It feeds none.
    package func takeBytes(for stream: MuxedStream, upTo limit: Int) -> ByteBuffer? { nil }
}

/// A stream as its muxer sees it; the application holds a ``PeerStream`` over it.
///
/// The muxer keeps this object, the application keeps the handle: so that letting go of the handle can reset the stream.
package final class MuxedStream: ParkingPlace {
    private let buffer: Mutex<StreamBuffer>
    private let owner: any MuxedStreamOwner
    private let observer = Mutex<(any MuxedStreamObserver)?>(nil)

    /// Where the muxer finds what else it knows of the stream. Another stream may have it when this one is over.
    package let slot: Int

    /// - Parameters:
    ///   - slot: where the muxer finds what else it knows of the stream.
    ///   - creditThreshold: bytes that the reader consumes before credit is worth returning; half a window.
    ///   - creditsToTheEnd: return credit also for what is read after the peer has finished.
    package init(slot: Int = 0, owner: any MuxedStreamOwner, creditThreshold: Int, creditsToTheEnd: Bool = false) {
        self.slot = slot
        self.owner = owner
        self.buffer = Mutex(StreamBuffer(creditThreshold: creditThreshold, creditsToTheEnd: creditsToTheEnd))
    }

    /// The loop on which the stream's bytes come and go; nil where there is none.
    package var home: (any EventLoop)? { self.owner.home }

    deinit {
        let held = self.buffer.withLock { $0.heldBytes }
        if held > 0 { self.owner.streamHolds(-held) }
    }

    /// The application keeps so many bytes more of the stream, or less, that count with those in its buffers.
    package func keepElsewhere(_ change: Int) { self.owner.streamHolds(change) }

    /// Decides under the lock, counts and wakes after it.
    private func withBuffer<R: ~Copyable>(_ body: (inout StreamBuffer, inout StreamBuffer.Wake) -> R) -> R {
        var wake = StreamBuffer.Wake()
        var change = 0
        let result = self.buffer.withLock { buffer in
            let held = buffer.heldBytes
            let result = body(&buffer, &wake)
            change = buffer.heldBytes - held
            return result
        }
        if change != 0 { self.owner.streamHolds(change) }
        wake.reader?.resume()
        wake.writer?.resume()
        if wake.muxer { self.owner.streamHasWork(self) }
        switch wake.observer {
        case .none: break
        case .bytes: self.observer.withLock { $0 }?.streamReceived(self)
        case .change: self.observer.withLock { $0 }?.streamChanged()
        }
        return result
    }

    // MARK: The muxer's side, on its event loop

    /// Takes bytes from the peer; returns how many were discarded, for which credit is due at once.
    package func receive(_ bytes: ByteBuffer) -> Int {
        let isSaving = self.owner.savesMemory
        return self.withBuffer { $0.receive(bytes, isSaving: isSaving, wake: &$1) }
    }

    /// The peer finished.
    package func receiveFinish() {
        self.withBuffer { $0.receiveFinish(wake: &$1) }
    }

    /// The stream ends from below: a reset by the peer, or the connection is gone.
    ///
    /// - Parameter lettingGo: what came and has not been read goes, too. At once, so that nobody passes it on in between.
    package func fail(_ error: StreamError, lettingGo: Bool = false) {
        self.withBuffer { $0.fail(error, lettingGo: lettingGo, wake: &$1) }
    }

    /// Copies at most `limit` waiting bytes to the end of `record` and reports what else is due.
    package func copy(upTo limit: Int, to record: inout ByteBuffer) -> StreamBuffer.Drained {
        var drained = self.withBuffer { $0.drain(upTo: limit, to: &record, wake: &$1) }
        if drained.isHungry { self.feed(&drained, upTo: limit, to: &record) }
        return drained
    }

    /// Copies what whoever feeds the stream has for it, behind what waited here.
    private func feed(_ drained: inout StreamBuffer.Drained, upTo limit: Int, to record: inout ByteBuffer) {
        guard let feeder = self.observer.withLock({ $0 }) else { return }
        var fed = 0
        while drained.copied + fed < limit, let bytes = feeder.takeBytes(for: self, upTo: limit - drained.copied - fed) {
            record.writeImmutableBuffer(bytes)
            fed += bytes.readableBytes
        }
        if fed > 0 { self.buffer.withLock { $0.wasFed(fed) } }
        drained.copied += fed
        drained.remaining = feeder.waitingBytes(for: self)
    }

    /// The half-close that ``copy(upTo:to:)`` reported was written.
    package func finishLeft() {
        self.withBuffer { $0.finishLeft(wake: &$1) }
    }

    /// Bytes of the peer that wait for the reader.
    package var unreadBytes: Int { self.buffer.withLock { $0.unreadBytes } }

    /// Changes how much the reader consumes before credit is returned, as the window changes.
    package func setCreditThreshold(_ threshold: Int) {
        self.withBuffer { $0.setCreditThreshold(threshold, wake: &$1) }
    }

    // MARK: The application's side, from any thread

    package var protocolID: ProtocolID? {
        get { self.buffer.withLock { $0.protocolID } }
        set { self.buffer.withLock { $0.protocolID = newValue } }
    }

    /// Takes bytes if there are some. For an adapter that observes instead of waiting.
    package func tryRead(upTo limit: Int) -> StreamBuffer.Read {
        self.withBuffer { $0.read(upTo: limit, wake: &$1) }
    }

    /// Takes all of the bytes; `.wait` says that more are not welcome yet. For an adapter that observes instead of waiting.
    package func tryWrite(_ bytes: ByteBuffer) -> StreamBuffer.Write {
        self.withBuffer { $0.write(bytes, isSaving: self.owner.savesMemory, wake: &$1) }
    }

    /// Asks for a half-close; `.wait` until ``hasFinishLeft``. For an adapter that observes instead of waiting.
    package func tryFinish() -> StreamBuffer.Write {
        self.withBuffer { $0.finish(wake: &$1) }
    }

    /// Bytes that wait to be sent, up to the high-water mark, and those that whoever feeds the stream has for it.
    package var waitingBytes: Int {
        let (own, isFed) = self.buffer.withLock { (StreamBuffer.highWaterMark - $0.writableBytes, $0.isFed) }
        return isFed ? own + (self.observer.withLock { $0 }?.waitingBytes(for: self) ?? 0) : own
    }
    /// Bytes of the peer that wait for the reader, and whether these are the last of all that it said. Never after they were let go of: this side has reset
    /// the stream, or it failed so.
    package var inbound: (bytes: Int, isFinished: Bool) { self.buffer.withLock { ($0.unreadBytes, $0.isWhole) } }
    package var writableBytes: Int { self.buffer.withLock { $0.writableBytes } }
    package var failure: StreamError? { self.buffer.withLock { $0.failure } }
    package var hasFinishLeft: Bool { self.buffer.withLock { $0.hasFinishLeft } }
    /// The stream has failed with bytes that the muxer had not taken.
    package var hasDropped: Bool { self.buffer.withLock { $0.hasDropped } }
    /// The peer has said all that it will; what it said may still wait here.
    package var hasPeerFinished: Bool { self.buffer.withLock { $0.hasPeerFinished } }
    /// Whether a task waits for bytes.
    package var isReading: Bool { self.buffer.withLock { $0.isReading } }
    /// Whether a task waits for room, or for the half-close.
    package var isWriting: Bool { self.buffer.withLock { $0.isWriting } }

    /// Counts it, and what the application reads and writes from now on.
    package func count(for traffic: ProtocolTraffic, isServed: Bool) {
        self.buffer.withLock { $0.meter = StreamMeter(traffic, isServed: isServed) }
    }

    package func unread(_ bytes: ByteBuffer) {
        self.withBuffer { buffer, _ in buffer.unread(bytes) }
    }

    package func hold(_ bytes: ByteBuffer) {
        self.withBuffer { buffer, _ in buffer.hold(bytes) }
    }

    package func releaseHeld() {
        self.withBuffer { $0.releaseHeld(wake: &$1) }
    }

    package func expect(_ expectation: LazyExpectation) {
        self.buffer.withLock { $0.expect(expectation) }
    }

    package func stopReading() {
        self.withBuffer { $0.stopReading(wake: &$1) }
    }

    package func reset(_ code: StreamErrorCode) {
        self.withBuffer { $0.reset(code, wake: &$1) }
    }

    package func release() {
        self.withBuffer { $0.release(wake: &$1) }
    }

    /// Tells `observer` of every change from now on; nil ends that.
    ///
    /// - Parameter isFed: it is asked for bytes when they can leave, instead of writing them before; see ``askForBytes()``. What it reads it passes on
    ///   in the same way, so the muxer may lend less to a peer that is faster than whoever takes the bytes.
    package func observe(_ observer: (any MuxedStreamObserver)?, isFed: Bool = false) {
        self.observer.withLock { $0 = observer }
        self.buffer.withLock { buffer in
            buffer.isObserved = observer != nil
            buffer.isFed = observer != nil && isFed
        }
    }

    /// Whoever feeds the stream has bytes for it: the muxer comes for them when there is room and credit.
    package func askForBytes() {
        self.withBuffer { $0.askForBytes(wake: &$1) }
    }

    // MARK: Waiting

    package enum Wait: Sendable { case reader, writer, finisher }

    /// Suspends until the stream changed in a way that matters to the waiter; throws only when its task is cancelled.
    private func wait(_ kind: Wait) async throws(StreamError) {
        await parkTask(in: self, kind)
        let isCancelled = self.buffer.withLock { kind == .reader ? $0.endReading() : $0.endWriting() }
        if isCancelled { throw StreamError(.cancelled, "the task that used the stream was cancelled") }
    }

    /// Whoever waits has claimed the place before.
    package static var remembersCancellation: Bool { true }

    package func park(_ waiter: UnsafeContinuation<Void, Never>, _ kind: Wait) -> Bool {
        self.buffer.withLock { buffer in
            switch kind {
            case .reader: buffer.park(reader: waiter)
            case .writer: buffer.park(writer: waiter)
            case .finisher: buffer.park(finisher: waiter)
            }
        }
    }

    package func unpark(_ kind: Wait) {
        self.buffer.withLock { kind == .reader ? $0.cancelReader() : $0.cancelWriter() }?.resume()
    }

    package func read(upTo limit: Int) async throws(StreamError) -> ByteBuffer? {
        while true {
            switch self.withBuffer({ $0.read(upTo: limit, claiming: true, wake: &$1) }) {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case .failed(let error): throw error
            case .wait: try await self.wait(.reader)
            }
        }
    }

    package func write(_ bytes: ByteBuffer) async throws(StreamError) {
        switch self.withBuffer({ $0.write(bytes, isSaving: self.owner.savesMemory, claiming: true, wake: &$1) }) {
        case .buffered: return
        case .failed(let error): throw error
        case .wait: try await self.wait(.writer)
        }
        if let failure = self.failure { throw failure }
    }

    package func finish() async throws(StreamError) {
        switch self.withBuffer({ $0.finish(claiming: true, wake: &$1) }) {
        case .buffered: return
        case .failed(let error): throw error
        case .wait: try await self.wait(.finisher)
        }
        if !self.hasFinishLeft, let failure = self.failure { throw failure }
    }
}
