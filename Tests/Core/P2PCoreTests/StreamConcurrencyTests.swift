import NIOCore
import Synchronization
import Testing

@testable import P2PCore

@Suite("One reader, one writer, cancellation and back-pressure")
struct StreamConcurrencyTests {
    let muxer = FakeMuxer()

    @Test("A second reader is told that the stream is busy, and the first goes on")
    func secondReader() async throws {
        let (stream, muxed) = self.muxer.stream()
        async let first = stream.readBytes()
        await until { muxed.isReading }
        await #expect(throws: StreamError(.busy, "")) { try await stream.read() }
        muxed.receive("mine")
        #expect(try await first == Array("mine".utf8))
    }

    @Test("A second writer is told that the stream is busy; so is one who finishes while another writes")
    func secondWriter() async throws {
        let (stream, muxed) = self.muxer.stream()
        async let first: Void = stream.write(ByteBuffer(repeating: 0, count: StreamBuffer.highWaterMark + 1))
        await until { muxed.isWriting }
        await #expect(throws: StreamError(.busy, "")) { try await stream.write(text: "x") }
        await #expect(throws: StreamError(.busy, "")) { try await stream.finish() }
        #expect(muxed.flight().bytes.count == StreamBuffer.highWaterMark + 1)
        try await first
        try await stream.write(text: "x")
    }

    @Test("A reader and a writer wait at the same time without hindering each other")
    func bothWays() async throws {
        let (stream, muxed) = self.muxer.stream()
        async let reading = stream.readBytes()
        async let writing: Void = stream.write(ByteBuffer(repeating: 0, count: StreamBuffer.highWaterMark + 1))
        await until { muxed.isReading && muxed.isWriting }
        _ = muxed.flight()
        try await writing
        #expect(muxed.isReading)
        muxed.receive("a")
        #expect(try await reading == Array("a".utf8))
    }

    @Test("A cancelled read leaves the stream as it was")
    func cancelledRead() async throws {
        let (stream, muxed) = self.muxer.stream()
        let reading = Task { try await stream.read() }
        await until { muxed.isReading }
        reading.cancel()
        await #expect(throws: StreamError(.cancelled, "")) { try await reading.value }
        #expect(muxed.failure == nil)
        muxed.receive("later")
        #expect(try await stream.readBytes() == Array("later".utf8))
        #expect(muxed.flight() == Flight())
    }

    @Test("A task that was cancelled before still gets what waits, and does not wait for more")
    func readAfterCancellation() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.receive("here")
        let task = Task { () async throws in
            withUnsafeCurrentTask { $0?.cancel() }
            #expect(try await stream.readBytes() == Array("here".utf8))
            await #expect(throws: StreamError(.cancelled, "")) { try await stream.read() }
        }
        try await task.value
        #expect(!muxed.isReading)
    }

    @Test("A cancelled write has been buffered whole, and the next one waits again")
    func cancelledWrite() async throws {
        let (stream, muxed) = self.muxer.stream()
        let writing = Task { try await stream.write(ByteBuffer(repeating: 1, count: StreamBuffer.highWaterMark + 1)) }
        await until { muxed.isWriting }
        writing.cancel()
        await #expect(throws: StreamError(.cancelled, "")) { try await writing.value }
        async let next: Void = stream.write(text: "x")
        await until { muxed.isWriting }
        #expect(muxed.flight().bytes.count == StreamBuffer.highWaterMark + 2)
        try await next
    }

    @Test("A cancelled finish has still asked for the half-close")
    func cancelledFinish() async throws {
        let (stream, muxed) = self.muxer.stream()
        let finishing = Task { try await stream.finish() }
        await until { muxed.isWriting }
        finishing.cancel()
        await #expect(throws: StreamError(.cancelled, "")) { try await finishing.value }
        #expect(muxed.flight().finish)
        async let again: Void = stream.finish()
        await until { muxed.isWriting }
        muxed.finishLeft()
        try await again
    }

    @Test("A cancellation that raced with a reader never hangs it", .timeLimit(.minutes(1)))
    func cancellationRaces() async throws {
        let (stream, muxed) = self.muxer.stream()
        for round in 0..<500 {
            let reading = Task { try await stream.read() }
            if round.isMultiple(of: 2) { await Task.yield() }
            async let bytes = muxed.receive("x")
            reading.cancel()
            _ = await bytes
            switch await reading.result {
            case .success(let bytes): #expect(bytes == ByteBuffer(string: "x"))
            case .failure(let error):
                #expect(error as? StreamError == StreamError(.cancelled, ""))
                #expect(try await stream.read() == ByteBuffer(string: "x"))
            }
        }
    }

    @Test("A writer waits above the high-water mark and goes on at the low one")
    func waterMarks() async throws {
        let (stream, muxed) = self.muxer.stream()
        try await stream.write(ByteBuffer(repeating: 0, count: StreamBuffer.highWaterMark))
        #expect(!muxed.isWriting)
        #expect(muxed.writableBytes == 0)
        async let one: Void = stream.write(text: "x")
        await until { muxed.isWriting }
        _ = muxed.flight(upTo: StreamBuffer.highWaterMark - StreamBuffer.lowWaterMark)
        #expect(muxed.isWriting, "a byte above the low-water mark still waits")
        _ = muxed.flight(upTo: 1)
        try await one
        #expect(muxed.writableBytes == StreamBuffer.highWaterMark - StreamBuffer.lowWaterMark)
    }

    @Test("Credit is due once half a window was consumed, never on receipt")
    func credit() async throws {
        let (stream, muxed) = self.muxer.stream(creditThreshold: 100)
        _ = muxed.receive(ByteBuffer(repeating: 0, count: 150))
        #expect(muxed.flight() == Flight())
        _ = try await stream.read(upTo: 99)
        #expect(self.muxer.signalCount == 0)
        #expect(muxed.flight() == Flight())
        _ = try await stream.read(upTo: 1)
        #expect(self.muxer.signalCount == 1)
        #expect(muxed.flight() == Flight(credit: 100))
        _ = try await stream.read()
        #expect(muxed.flight() == Flight())
    }

    @Test("A peer that has finished needs no credit any more")
    func noCreditAfterFinish() async throws {
        let (stream, muxed) = self.muxer.stream(creditThreshold: 10)
        _ = muxed.receive(ByteBuffer(repeating: 0, count: 50))
        muxed.receiveFinish()
        _ = try await stream.read()
        #expect(self.muxer.signalCount == 0)
        #expect(muxed.flight() == Flight())
    }

    @Test("Who stops reading gives credit for what waited and discards what comes")
    func stopReading() async throws {
        let (stream, muxed) = self.muxer.stream(creditThreshold: 1_000)
        _ = muxed.receive(ByteBuffer(repeating: 0, count: 50))
        let reading = Task { try await stream.readExactly(51) }
        await until { muxed.isReading }
        stream.stopReading()
        await #expect(throws: StreamError(.stoppedReading, "")) { try await reading.value }
        #expect(muxed.flight() == Flight(stopReading: true, credit: 50))
        #expect(muxed.receive("more") == 4)
        await #expect(throws: StreamError(.stoppedReading, "")) { try await stream.read() }
        try await stream.write(text: "still writing")
        #expect(muxed.text() == "still writing")
    }

    @Test("Writes between two drains cost one signal")
    func signals() async throws {
        let (stream, muxed) = self.muxer.stream()
        for _ in 0..<10 { try await stream.write(text: "x") }
        #expect(self.muxer.signalCount == 1)
        #expect(muxed.flight(upTo: 4).remaining == 6)
        try await stream.write(text: "y")
        #expect(self.muxer.signalCount == 2)
        #expect(muxed.text() == "xxxxxxy")
    }

    @Test("Whoever feeds a stream is asked for bytes when they can leave, behind what waits, and the window stays as it is")
    func feeding() async throws {
        final class Feeder: MuxedStreamObserver {
            let waiting = Mutex("bcdef")
            func streamChanged() {}
            func waitingBytes(for stream: MuxedStream) -> Int { self.waiting.withLock { $0.utf8.count } }
            func takeBytes(for stream: MuxedStream, upTo limit: Int) -> ByteBuffer? {
                self.waiting.withLock { waiting in
                    guard !waiting.isEmpty, limit > 0 else { return nil }
                    defer { waiting.removeFirst(min(2, limit, waiting.count)) }
                    return ByteBuffer(string: String(waiting.prefix(min(2, limit))))
                }
            }
        }
        let (stream, muxed) = self.muxer.stream()
        defer { withExtendedLifetime(stream) {} }
        let feeder = Feeder()
        muxed.observe(feeder, isFed: true)
        _ = muxed.tryWrite(ByteBuffer(string: "a"))
        #expect(muxed.waitingBytes == 6)
        #expect(muxed.flight(upTo: 4) == Flight(bytes: Array("abcd".utf8), remaining: 2))
        #expect(muxed.flight(upTo: 0) == Flight(remaining: 2) && muxed.waitingBytes == 2)
        muxed.askForBytes()
        #expect(self.muxer.signalCount == 2)
        _ = muxed.tryFinish()
        #expect(muxed.flight() == Flight(finish: true), "who has finished takes no more")
        muxed.observe(nil)
        #expect(muxed.waitingBytes == 0)

        let (late, held) = self.muxer.stream()
        defer { withExtendedLifetime(late) {} }
        held.hold(ByteBuffer(string: "held"))
        held.observe(Feeder(), isFed: true)
        held.askForBytes()
        #expect(held.flight(upTo: 9) == Flight(bytes: Array("heldbcdef".utf8)), "what was held back goes first")
    }

    @Test("An observer hears of bytes, room, the half-close that left, the end and a failure")
    func observing() async throws {
        final class Observer: MuxedStreamObserver {
            let count = Counter()
            func streamChanged() { self.count.increment() }
        }
        let (stream, muxed) = self.muxer.stream()
        defer { withExtendedLifetime(stream) {} }
        let observer = Observer()
        muxed.observe(observer)
        muxed.receive("a")
        #expect(observer.count.value == 1)
        _ = muxed.tryWrite(ByteBuffer(string: "b"))
        _ = muxed.flight()
        #expect(observer.count.value == 2)
        _ = muxed.tryFinish()
        _ = muxed.flight()
        muxed.finishLeft()
        #expect(observer.count.value == 3)
        muxed.receiveFinish()
        #expect(observer.count.value == 4)
        muxed.fail(StreamError(.connectionLost, "gone"))
        #expect(observer.count.value == 5)
        muxed.observe(nil)
        muxed.reset(.cancelled)
        #expect(observer.count.value == 5)
    }
}
