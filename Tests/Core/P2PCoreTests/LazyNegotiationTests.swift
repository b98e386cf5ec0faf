import NIOCore
import Testing

@testable import P2PCore

@Suite("Held bytes and lazy expectations")
struct LazyNegotiationTests {
    let muxer = FakeMuxer()
    static let agreement = "[header]/echo"
    static let refusal = "[header]na"

    private func lazyStream() -> (PeerStream, MuxedStream) {
        let (stream, muxed) = self.muxer.stream()
        muxed.expect(
            LazyExpectation(of: "/echo", agreement: ByteBuffer(string: Self.agreement), refusal: ByteBuffer(string: Self.refusal)))
        muxed.hold(ByteBuffer(string: "proposal"))
        return (stream, muxed)
    }

    @Test("A reset in place of the answer names what was asked for; one behind it does not")
    func resetBeforeAgreement() async throws {
        let (stream, muxed) = self.lazyStream()
        try await stream.write(text: "+data")
        muxed.receive("[header]")
        muxed.fail(StreamError(.reset, "the peer reset the stream", resetCode: .gated))
        let early = await #expect(throws: StreamError.self) { try await stream.read() }
        #expect(early?.code == .reset && early?.resetCode == .gated && early?.unanswered == "/echo")
        #expect(early?.message == "the peer reset the stream before it agreed to /echo")
        let (agreed, below) = self.lazyStream()
        below.receive(Self.agreement)
        below.fail(StreamError(.reset, "the peer reset the stream"))
        let late = await #expect(throws: StreamError.self) { try await agreed.read() }
        #expect(late?.code == .reset && late?.unanswered == nil && late?.message == "the peer reset the stream")
    }

    // MARK: Held bytes

    @Test("Held bytes leave with the first write, before it")
    func heldBeforeWrite() async throws {
        let (stream, muxed) = self.lazyStream()
        #expect(self.muxer.signalCount == 0)
        #expect(muxed.flight() == Flight())
        try await stream.write(ByteBuffer())
        #expect(self.muxer.signalCount == 0, "an empty write is no write")
        try await stream.write(text: "+data")
        #expect(muxed.text() == "proposal+data")
    }

    @Test("Held bytes leave when a reader has to wait")
    func heldBeforeWait() async throws {
        let (stream, muxed) = self.lazyStream()
        async let answer = stream.readBytes()
        await until { muxed.isReading }
        #expect(self.muxer.signalCount == 1)
        #expect(muxed.text() == "proposal")
        muxed.receive(Self.agreement + "x")
        #expect(try await answer == Array("x".utf8))
    }

    @Test("Held bytes stay while a reader has enough to read")
    func heldWhileBuffered() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.receive("request")
        muxed.hold(ByteBuffer(string: "agreed"))
        #expect(try await stream.readBytes() == Array("request".utf8))
        #expect(muxed.flight() == Flight())
        try await stream.write(text: "+response")
        #expect(muxed.text() == "agreed+response")
    }

    @Test("Held bytes leave with a half-close")
    func heldBeforeFinish() async throws {
        let (stream, muxed) = self.lazyStream()
        async let finished: Void = stream.finish()
        await until { muxed.isWriting }
        let flight = muxed.flight()
        #expect(flight == Flight(bytes: Array("proposal".utf8), finish: true))
        muxed.finishLeft()
        try await finished
    }

    @Test("Bytes that are held behind others that still wait keep their place and are never lost")
    func heldBehindWaiting() async throws {
        let (stream, muxed) = self.muxer.stream()
        try await stream.write(text: "header")
        muxed.hold(ByteBuffer(string: "+agreement"))
        try await stream.write(text: "+response")
        #expect(muxed.text() == "header+agreement+response")
    }

    @Test("Two pieces that are held are joined")
    func heldTwice() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.hold(ByteBuffer(string: "a"))
        muxed.hold(ByteBuffer(string: "b"))
        muxed.releaseHeld()
        #expect(muxed.text() == "ab")
        muxed.releaseHeld()
        #expect(muxed.flight() == Flight())
        withExtendedLifetime(stream) {}
    }

    @Test("A reset drops what is held")
    func heldAndReset() {
        let (stream, muxed) = self.lazyStream()
        stream.reset()
        #expect(muxed.flight() == Flight(reset: .cancelled))
    }

    // MARK: The answer

    @Test("The answer and the bytes behind it may come together")
    func coalesced() async throws {
        let (stream, muxed) = self.lazyStream()
        muxed.receive(Self.agreement + "hello")
        #expect(try await stream.readBytes() == Array("hello".utf8))
    }

    @Test("The answer may come one byte at a time")
    func byteByByte() async throws {
        let (stream, muxed) = self.lazyStream()
        async let bytes = stream.readExactly(2)
        for character in Self.agreement + "ok" { muxed.receive(String(character)) }
        #expect(try await bytes == ByteBuffer(string: "ok"))
    }

    @Test("A reader sleeps through the answer itself")
    func noWakeForAnswer() async throws {
        let (stream, muxed) = self.lazyStream()
        let reading = Task { try await stream.readBytes() }
        await until { muxed.isReading }
        muxed.receive(Self.agreement)
        #expect(muxed.isReading)
        muxed.receiveFinish()
        #expect(try await reading.value == nil)
    }

    @Test("The bytes of the answer count as consumed")
    func creditForAnswer() async throws {
        let muxed = MuxedStream(owner: self.muxer, creditThreshold: 20)
        let stream = PeerStream(muxed)
        muxed.expect(
            LazyExpectation(of: "/echo", agreement: ByteBuffer(string: Self.agreement), refusal: ByteBuffer(string: Self.refusal)))
        muxed.receive(Self.agreement + "1234567")
        _ = try await stream.read()
        #expect(muxed.flight() == Flight(credit: 20))
    }

    @Test("A refusal fails the stream, tells reader and writer, and resets it", arguments: [1, 3, 1_000])
    func refused(pieceSize: Int) async throws {
        let (stream, muxed) = self.lazyStream()
        let reading = Task { try await stream.read() }
        await until { muxed.isReading }
        var bytes = ByteBuffer(string: Self.refusal)
        while let piece = bytes.readSlice(length: min(pieceSize, bytes.readableBytes)), piece.readableBytes > 0 { _ = muxed.receive(piece) }
        await #expect(throws: StreamError(.protocolNotSupported, "")) { try await reading.value }
        await #expect(throws: StreamError(.protocolNotSupported, "")) { try await stream.write(text: "x") }
        #expect(muxed.flight() == Flight(reset: .protocolNegotiationFailed))
    }

    @Test(
        "Anything else than the answer fails the stream and resets it",
        arguments: ["x", "[header]/ecko", "[header]nx", "[heads]", "\u{0}", "HTTP/1.1 400 Bad Request"])
    func garbage(text: String) async throws {
        let (stream, muxed) = self.lazyStream()
        muxed.receive(text)
        await #expect(throws: StreamError(.negotiationFailed, "")) { try await stream.read() }
        #expect(muxed.flight() == Flight(reset: .protocolNegotiationFailed))
        muxed.receive("more")
        await #expect(throws: StreamError(.negotiationFailed, "")) { try await stream.read() }
    }

    @Test("An answer counts even when this side has stopped reading; only what follows is discarded", arguments: [1, 1_000])
    func stoppedBeforeAnswer(pieceSize: Int) async throws {
        let (stream, muxed) = self.lazyStream()
        stream.stopReading()
        var bytes = ByteBuffer(string: Self.agreement + "unwanted")
        var discarded = 0
        while let piece = bytes.readSlice(length: min(pieceSize, bytes.readableBytes)), piece.readableBytes > 0 {
            discarded += muxed.receive(piece)
        }
        #expect(discarded == 8)
        muxed.receiveFinish()
        #expect(muxed.failure == nil)
        try await stream.write(text: "upload")
        #expect(muxed.text() == "proposalupload")
    }

    @Test("A refusal resets the stream even when this side has stopped reading")
    func refusedAfterStop() async throws {
        let (stream, muxed) = self.lazyStream()
        stream.stopReading()
        _ = muxed.receive(ByteBuffer(string: Self.refusal))
        await #expect(throws: StreamError(.protocolNotSupported, "")) { try await stream.write(text: "upload") }
        #expect(muxed.flight() == Flight(reset: .protocolNegotiationFailed))
    }

    @Test("A peer that finishes before it has answered fails the stream")
    func finishBeforeAnswer() async throws {
        let (stream, muxed) = self.lazyStream()
        muxed.receive("[header]")
        let reading = Task { try await stream.read() }
        await until { muxed.isReading }
        muxed.receiveFinish()
        await #expect(throws: StreamError(.negotiationFailed, "")) { try await reading.value }
        #expect(muxed.flight() == Flight(reset: .protocolNegotiationFailed))
    }
}
