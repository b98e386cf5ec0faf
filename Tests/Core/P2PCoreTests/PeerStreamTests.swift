import NIOCore
import Testing

@testable import P2PCore

@Suite("PeerStream")
struct PeerStreamTests {
    let muxer = FakeMuxer()

    // MARK: Half-close

    @Test("A finished stream still delivers what was buffered")
    func finishAfterBytes() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.receive("last words")
        muxed.receiveFinish()
        #expect(try await stream.readBytes() == Array("last words".utf8))
        #expect(try await stream.read() == nil)
        #expect(try await stream.read() == nil)
    }

    @Test("This side can go on writing after the peer has finished")
    func peerFinishesFirst() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.receiveFinish()
        #expect(try await stream.read() == nil)
        try await stream.write(text: "still here")
        async let finished: Void = stream.finish()
        await until { muxed.isWriting }
        #expect(muxed.flight() == Flight(bytes: Array("still here".utf8), finish: true))
        muxed.finishLeft()
        try await finished
    }

    @Test("This side can go on reading after it has finished")
    func weFinishFirst() async throws {
        let (stream, muxed) = self.muxer.stream()
        async let finished: Void = stream.finish()
        await until { muxed.isWriting }
        #expect(muxed.flight() == Flight(finish: true))
        muxed.finishLeft()
        try await finished
        muxed.receive("answer")
        muxed.receiveFinish()
        #expect(try await stream.readToEnd(upTo: 10) == Array("answer".utf8))
    }

    @Test("Finishing returns only once the bytes and the half-close have left")
    func finishWaits() async throws {
        let (stream, muxed) = self.muxer.stream()
        try await stream.write(bytes: [UInt8](repeating: 1, count: 100))
        async let finished: Void = stream.finish()
        await until { muxed.isWriting }
        #expect(muxed.flight(upTo: 60).finish == false)
        #expect(muxed.isWriting)
        let last = muxed.flight(upTo: 60)
        #expect(last.finish && last.bytes.count == 40 && last.remaining == 0)
        #expect(muxed.isWriting)
        #expect(muxed.flight() == Flight(), "the half-close is said once")
        muxed.finishLeft()
        try await finished
        try await stream.finish()
        await #expect(throws: StreamError(.finished, "")) { try await stream.write(text: "more") }
    }

    @Test("An end that the peer announced outlives the loss of the connection")
    func finishThenLoss() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.receive("whole")
        muxed.receiveFinish()
        muxed.fail(StreamError(.connectionLost, "gone"))
        #expect(try await stream.readToEnd(upTo: 10) == Array("whole".utf8))
        await #expect(throws: StreamError(.connectionLost, "")) { try await stream.write(text: "x") }
    }

    @Test("Without an end, the loss of the connection shows behind what was buffered")
    func lossWithoutFinish() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.receive("half")
        muxed.fail(StreamError(.connectionLost, "gone"))
        #expect(try await stream.readBytes() == Array("half".utf8))
        await #expect(throws: StreamError(.connectionLost, "")) { try await stream.read() }
        await #expect(throws: StreamError(.connectionLost, "")) { try await stream.finish() }
    }

    @Test("A finish that has left stays a success when the connection is lost later")
    func finishLeftThenLoss() async throws {
        let (stream, muxed) = self.muxer.stream()
        async let finished: Void = stream.finish()
        await until { muxed.isWriting }
        _ = muxed.flight()
        muxed.finishLeft()
        try await finished
        muxed.fail(StreamError(.connectionLost, "gone"))
        try await stream.finish()
    }

    // MARK: Reset

    @Test("A reset drops what waits both ways and is said once, with its code")
    func reset() async throws {
        let (stream, muxed) = self.muxer.stream()
        try await stream.write(text: "never sent")
        muxed.receive("never read")
        stream.reset(.rateLimited)
        #expect(muxed.flight() == Flight(reset: .rateLimited))
        #expect(muxed.flight() == Flight())
        await #expect(throws: StreamError(.reset, "")) { try await stream.read() }
        await #expect(throws: StreamError(.reset, "")) { try await stream.write(text: "x") }
        await #expect(throws: StreamError(.reset, "")) { try await stream.finish() }
        stream.reset(.protocolViolation)
        #expect(muxed.flight() == Flight())
    }

    @Test("A reset after both sides have finished tells the peer nothing, and ends reading here")
    func resetAfterBothFinished() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.receive("unread")
        muxed.receiveFinish()
        async let finished: Void = stream.finish()
        await until { muxed.isWriting }
        _ = muxed.flight()
        muxed.finishLeft()
        try await finished
        stream.reset()
        #expect(muxed.flight() == Flight())
        await #expect(throws: StreamError(.reset, "")) { try await stream.read() }
    }

    @Test("A handle that goes away before it finished resets the stream")
    func letGo() async throws {
        let muxed: MuxedStream
        do {
            let (stream, inner) = self.muxer.stream()
            muxed = inner
            try await stream.write(text: "unfinished")
            #expect(self.muxer.signalCount == 1)
        }
        #expect(muxed.flight() == Flight(reset: .cancelled))
    }

    @Test("A handle that goes away after it finished lets its bytes leave and stops reading")
    func letGoFinished() async throws {
        let muxed: MuxedStream
        do {
            let (stream, inner) = self.muxer.stream()
            muxed = inner
            try await stream.write(text: "goodbye")
            let finishing = Task { try await stream.finish() }
            await until { inner.isWriting }
            finishing.cancel()
            _ = await finishing.result
        }
        #expect(muxed.flight() == Flight(bytes: Array("goodbye".utf8), finish: true, stopReading: true))
        #expect(muxed.receive("nobody reads this") == 17)
    }

    // MARK: Reading in pieces

    @Test("A reader is woken by bytes, by the end and by a failure")
    func waking() async throws {
        let (stream, muxed) = self.muxer.stream()
        async let first = stream.readBytes()
        await until { muxed.isReading }
        muxed.receive("a")
        #expect(try await first == Array("a".utf8))
        async let second = stream.readBytes()
        await until { muxed.isReading }
        muxed.receiveFinish()
        #expect(try await second == nil)

        let (other, otherMuxed) = self.muxer.stream()
        async let third = other.read()
        await until { otherMuxed.isReading }
        otherMuxed.fail(StreamError(.reset, "by the peer", resetCode: .rateLimited))
        do {
            _ = try await third
            Issue.record("the read should have failed")
        } catch {
            #expect((error as? StreamError)?.resetCode == .rateLimited)
        }
    }

    @Test("A limit of nothing reads nothing, and does not wait")
    func zeroLimit() async throws {
        let (stream, muxed) = self.muxer.stream()
        #expect(try await stream.read(upTo: 0) == ByteBuffer())
        muxed.receive("x")
        #expect(try await stream.read(upTo: -1) == ByteBuffer())
        #expect(try await stream.read(upTo: 1) == ByteBuffer(string: "x"))
    }

    @Test("readExactly joins pieces, says nil at a clean end and fails inside")
    func readExactly() async throws {
        let (stream, muxed) = self.muxer.stream()
        async let five = stream.readExactly(5)
        for character in "hello" { muxed.receive(String(character)) }
        #expect(try await five == ByteBuffer(string: "hello"))
        #expect(try await stream.readExactly(0) == ByteBuffer())
        muxed.receive("abc")
        muxed.receiveFinish()
        await #expect(throws: StreamError(.unexpectedEnd, "")) { try await stream.readExactly(5) }
        #expect(try await stream.readExactly(5) == nil)
    }

    @Test("A cancelled read of several pieces leaves the stream as it was", arguments: [1, 2, 4])
    func cancelledMessage(arrived: Int) async throws {
        let (stream, muxed) = self.muxer.stream()
        let message = ByteBuffer(bytes: [0x85, 0x01] + [UInt8](repeating: 7, count: 133))
        var bytes = message
        let first = bytes.readSlice(length: arrived)
        _ = muxed.receive(try #require(first))
        let readers: [@Sendable () async throws -> Void] = [
            { _ = try await stream.readMessage(upTo: 200) }, { _ = try await stream.readExactly(100) },
        ]
        for reader in readers {
            let reading = Task { try await reader() }
            await until { muxed.isReading }
            reading.cancel()
            await #expect(throws: StreamError(.cancelled, "")) { try await reading.value }
        }
        _ = muxed.receive(bytes)
        #expect(try await stream.readMessage(upTo: 200) == ByteBuffer(repeating: 7, count: 133))
    }

    @Test("Messages come whole, whether coalesced or a byte at a time")
    func messages() async throws {
        let (stream, muxed) = self.muxer.stream()
        _ = muxed.receive(ByteBuffer(bytes: [2, 1, 2, 0, 1, 9, 3, 4]))
        #expect(try await stream.readMessage(upTo: 10) == ByteBuffer(bytes: [1, 2]))
        #expect(try await stream.readMessage(upTo: 10) == ByteBuffer())
        #expect(try await stream.readMessage(upTo: 10) == ByteBuffer(bytes: [9]))
        async let split = stream.readMessage(upTo: 10)
        _ = muxed.receive(ByteBuffer(bytes: [5]))
        _ = muxed.receive(ByteBuffer(bytes: [6]))
        #expect(try await split == ByteBuffer(bytes: [4, 5, 6]))
        let long = [UInt8](repeating: 8, count: 300)
        async let twoByteLength = stream.readMessage(upTo: 300)
        for byte in [0xac, 0x02] + long { _ = muxed.receive(ByteBuffer(bytes: [byte])) }
        #expect(try await twoByteLength == ByteBuffer(bytes: long))
        muxed.receiveFinish()
        #expect(try await stream.readMessage(upTo: 10) == nil)
    }

    @Test(
        "A message beyond the limit, a broken prefix and an end inside are errors",
        arguments: [
            ([11], .messageTooLarge), ([0xff, 0xff, 0xff, 0xff, 0x0f], .messageTooLarge),
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], .messageTooLarge),
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], .malformed), ([0x81, 0x00], .malformed),
            ([0x81], .unexpectedEnd), ([5], .unexpectedEnd), ([5, 1, 2], .unexpectedEnd),
        ] as [([UInt8], StreamError.Code)])
    func brokenMessages(bytes: [UInt8], code: StreamError.Code) async throws {
        let (stream, muxed) = self.muxer.stream()
        _ = muxed.receive(ByteBuffer(bytes: bytes))
        muxed.receiveFinish()
        await #expect(throws: StreamError(code, "")) { try await stream.readMessage(upTo: 10) }
    }

    @Test("What is written as a message is read as one")
    func writeMessage() async throws {
        let (stream, muxed) = self.muxer.stream()
        try await stream.writeMessage(ByteBuffer(repeating: 3, count: 200))
        #expect(muxed.flight().bytes == [0xc8, 0x01] + [UInt8](repeating: 3, count: 200))
        try await stream.writeMessage(bytes: [1, 2])
        try await stream.writeMessage(text: "grün")
        #expect(muxed.flight().bytes == [2, 1, 2, 5] + Array("grün".utf8))
    }

    @Test("Messages are read without NIO's buffer, too, within the limit")
    func messagesWithoutBuffers() async throws {
        let (stream, muxed) = self.muxer.stream()
        _ = muxed.receive(ByteBuffer(bytes: [2, 1, 2, 1, 0x61, 2, 0x61, 0xff, 0, 3, 1, 2, 3]))
        #expect(try await stream.readMessageBytes(upTo: 2) == [1, 2])
        #expect(try await stream.readMessageText(upTo: 2) == "a")
        #expect(try await stream.readMessageText(upTo: 2) == "a\u{fffd}")
        #expect(try await stream.readMessageText(upTo: 2) == "")
        await #expect(throws: StreamError(.messageTooLarge, "")) { try await stream.readMessageBytes(upTo: 2) }
        let (other, end) = self.muxer.stream()
        end.receiveFinish()
        #expect(try await other.readMessageBytes(upTo: 2) == nil)
        #expect(try await other.readMessageText(upTo: 2) == nil)
    }

    @Test("Reading to the end keeps to its limit")
    func readToEnd() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.receive("12345")
        _ = muxed.receive(ByteBuffer(repeating: 0, count: 5_000))
        muxed.receiveFinish()
        await #expect(throws: StreamError(.messageTooLarge, "")) { try await stream.readToEnd(upTo: 5_004) }
    }

    @Test("Chunks end where the peer finishes")
    func chunks() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.receive("a")
        muxed.receiveFinish()
        var seen: [ByteBuffer] = []
        for try await chunk in stream.chunks { seen.append(chunk) }
        #expect(seen == [ByteBuffer(string: "a")])
    }

    @Test("Bytes that were put back are read again, and their credit is counted once")
    func unread() async throws {
        let (stream, muxed) = self.muxer.stream(creditThreshold: 100)
        _ = muxed.receive(ByteBuffer(repeating: 1, count: 150))
        let first = try await stream.read()
        #expect(muxed.flight() == Flight(credit: 150))
        muxed.unread(try #require(first))
        #expect(try await stream.read() == first)
        #expect(muxed.flight() == Flight())
        _ = muxed.receive(ByteBuffer(repeating: 2, count: 100))
        _ = try await stream.read()
        #expect(muxed.flight() == Flight(credit: 100))
    }

    @Test("Where less is worth being returned from now on, the muxer comes for what was consumed before")
    func lowerThreshold() async throws {
        let (stream, muxed) = self.muxer.stream(creditThreshold: 100)
        _ = muxed.receive(ByteBuffer(repeating: 1, count: 60))
        _ = try await stream.read()
        let before = self.muxer.signalCount
        muxed.setCreditThreshold(61)
        #expect(self.muxer.signalCount == before)
        muxed.setCreditThreshold(50)
        #expect(self.muxer.signalCount == before + 1)
        #expect(muxed.flight() == Flight(credit: 60))
    }

    @Test("Small messages in large buffers never grow the window")
    func creditOfMessages() async throws {
        let (stream, muxed) = self.muxer.stream(creditThreshold: 100)
        var credit = 0
        for _ in 0..<20 {
            var bytes = ByteBuffer()
            for _ in 0..<20 { bytes.writeBytes([9] + [UInt8](repeating: 0, count: 9)) }
            _ = muxed.receive(bytes)
            for _ in 0..<20 {
                #expect(try await stream.readMessage(upTo: 9)?.readableBytes == 9)
                credit += muxed.flight().credit
            }
        }
        #expect(credit <= 20 * 200)
        #expect(credit > 20 * 200 - 100)
    }
}
