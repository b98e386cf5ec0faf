import NIOCore
import P2PCore
import Testing

@testable import P2PNegotiation

/// Two ends of a stream; the test carries what lies between them, flight by flight.
final class StreamPair: Sendable {
    let dialer: PeerStream
    let listener: PeerStream

    private final class Nobody: MuxedStreamOwner {
        func streamHasWork(_ stream: MuxedStream) {}
    }

    init() {
        self.dialer = PeerStream(MuxedStream(owner: Nobody(), creditThreshold: 1 << 20))
        self.listener = PeerStream(MuxedStream(owner: Nobody(), creditThreshold: 1 << 20))
    }

    /// Carries one flight; returns its bytes.
    @discardableResult
    func carry(from source: PeerStream, pieceSize: Int = .max) -> [UInt8] {
        let target = source === self.dialer ? self.listener : self.dialer
        var record = ByteBuffer()
        let drained = source.muxed.copy(upTo: .max, to: &record)
        let bytes = Array(record.readableBytesView)
        while record.readableBytes > 0, let piece = record.readSlice(length: min(pieceSize, record.readableBytes)) {
            _ = target.muxed.receive(piece)
        }
        if let code = drained.reset { target.muxed.fail(StreamError(.reset, "the peer reset the stream", resetCode: code)) }
        if drained.finish {
            target.muxed.receiveFinish()
            source.muxed.finishLeft()
        }
        return bytes
    }

    /// Carries flights both ways until the condition holds.
    func carry(until condition: @Sendable () -> Bool) async {
        while !condition() {
            self.carry(from: self.dialer)
            self.carry(from: self.listener)
            await Task.yield()
        }
    }
}

@Suite("Negotiation over streams")
struct StreamNegotiationTests {
    let pair = StreamPair()

    @Test("A lazy dialer's proposal and request travel in one flight, the agreement and the response in another", arguments: [1, .max])
    func oneFlight(pieceSize: Int) async throws {
        let (dialer, listener) = (self.pair.dialer, self.pair.listener)
        dialer.proposeLazily(NegotiationTable.entry("/echo/1.0.0"))
        #expect(dialer.protocolID == "/echo/1.0.0")
        try await dialer.write(text: "request")
        #expect(self.pair.carry(from: dialer, pieceSize: pieceSize) == header + frame("/echo/1.0.0") + Array("request".utf8))

        #expect(try await listener.accept(NegotiationTable(["/ping/1.0.0", "/echo/1.0.0"])) == "/echo/1.0.0")
        #expect(listener.protocolID == "/echo/1.0.0")
        #expect(try await listener.readExactly(7) == ByteBuffer(string: "request"))
        try await listener.write(text: "response")
        #expect(self.pair.carry(from: listener, pieceSize: pieceSize) == header + frame("/echo/1.0.0") + Array("response".utf8))
        #expect(try await dialer.readExactly(8) == ByteBuffer(string: "response"))
    }

    @Test("What has arrived whole is accepted at once; what has not is left as it was for the wait", arguments: [25, .max])
    func atOnce(firstPart: Int) async throws {
        let (dialer, listener) = (self.pair.dialer, self.pair.listener)
        let table = NegotiationTable(["/echo/1.0.0"])
        #expect(listener.acceptAtOnce(table) == nil, "nothing has arrived")
        let opening = header + frame("/echo/1.0.0") + Array("request".utf8)
        let isWhole = firstPart > opening.count
        _ = listener.muxed.receive(ByteBuffer(bytes: opening.prefix(firstPart)))
        #expect((listener.acceptAtOnce(table) == "/echo/1.0.0") == isWhole)
        #expect((listener.protocolID == nil) == !isWhole)
        if !isWhole {
            _ = listener.muxed.receive(ByteBuffer(bytes: opening.dropFirst(firstPart)))
            #expect(try await listener.accept(table) == "/echo/1.0.0")
        }
        #expect(listener.protocolID == "/echo/1.0.0")
        #expect(try await listener.readExactly(7) == ByteBuffer(string: "request"))
        let early = self.pair.carry(from: listener)
        try await listener.write(text: "response")
        #expect(early + self.pair.carry(from: listener) == header + frame("/echo/1.0.0") + Array("response".utf8))
        withExtendedLifetime(dialer) {}
    }

    @Test("A lazy dialer that only reads sends its proposal as soon as it waits")
    func lazyReader() async throws {
        let (dialer, listener, pair) = (self.pair.dialer, self.pair.listener, self.pair)
        dialer.proposeLazily(NegotiationTable.entry("/clock"))
        async let time = dialer.readExactly(5)
        async let served: Void = {
            _ = try await listener.accept(NegotiationTable(["/clock"]))
            try await listener.write(text: "12:00")
        }()
        await pair.carry { listener.protocolID != nil && !dialer.muxed.isReading }
        try await served
        #expect(try await time == ByteBuffer(string: "12:00"))
    }

    @Test("A handler that neither reads nor writes for a long time leaves no dialer without an answer")
    func agreementNeedsNoHandler() async throws {
        let (dialer, listener, pair) = (self.pair.dialer, self.pair.listener, self.pair)
        let accepting = Task { try await listener.accept(NegotiationTable(["/a"])) }
        let agreed = Counter()
        let proposing = Task {
            let protocolID = try await dialer.propose(NegotiationTable(["/b", "/a"]))
            agreed.increment()
            return protocolID
        }
        await pair.carry { agreed.value == 1 }
        #expect(try await proposing.value == "/a")
        #expect(try await accepting.value == "/a")
    }

    @Test("An agreement is not lost when the header before it has not left yet")
    func headerStillWaiting() async throws {
        let (dialer, listener, pair) = (self.pair.dialer, self.pair.listener, self.pair)
        let accepting = Task { try await listener.accept(NegotiationTable(["/a"])) }
        await until { listener.muxed.isReading }
        _ = listener.muxed.receive(ByteBuffer(bytes: header))
        await until { listener.muxed.writableBytes < StreamBuffer.highWaterMark && listener.muxed.isReading }
        _ = listener.muxed.receive(ByteBuffer(bytes: frame("/a")))
        #expect(try await accepting.value == "/a")
        try await listener.write(text: "!")
        #expect(pair.carry(from: listener) == header + frame("/a") + Array("!".utf8))
        withExtendedLifetime(dialer) {}
    }

    @Test("A lazy dialer learns of a refusal at its first read")
    func lazyRefused() async throws {
        let (dialer, listener, pair) = (self.pair.dialer, self.pair.listener, self.pair)
        dialer.proposeLazily(NegotiationTable.entry("/unknown"))
        try await dialer.write(text: "hello?")
        pair.carry(from: dialer)
        let accepting = Task { try await listener.accept(NegotiationTable(["/a"])) }
        await until { listener.muxed.writableBytes < StreamBuffer.highWaterMark || listener.muxed.isReading }
        await pair.carry { dialer.muxed.failure != nil }
        await #expect(throws: StreamError(.protocolNotSupported, "")) { try await dialer.read() }
        await pair.carry { listener.muxed.failure != nil }
        await #expect(throws: StreamError.self) { try await accepting.value }
    }

    @Test("A dialer that is refused everything resets the stream and names what it wanted")
    func refused() async throws {
        let (dialer, listener, pair) = (self.pair.dialer, self.pair.listener, self.pair)
        let proposing = Task { try await dialer.propose(NegotiationTable(["/x", "/y"])) }
        let accepting = Task { try await listener.accept(NegotiationTable(["/a"])) }
        await pair.carry { listener.muxed.failure != nil }
        await #expect(throws: StreamError(.reset, "")) { try await accepting.value }
        do {
            _ = try await proposing.value
            Issue.record("there is nothing to agree on")
        } catch {
            #expect(error as? StreamError == StreamError(.protocolNotSupported, ""))
            #expect("\(error)".contains("/x, /y"))
        }
        #expect(listener.muxed.failure?.resetCode == .protocolNegotiationFailed)
    }

    @Test("A hostile dialer gets a reset, and the listener's task an error", arguments: NegotiationTests.brokenMessages)
    func hostile(bytes: [UInt8], code: NegotiationError.Code) async throws {
        _ = self.pair.listener.muxed.receive(ByteBuffer(bytes: header + bytes))
        #expect(self.pair.listener.acceptAtOnce(NegotiationTable(["/a"])) == nil)
        do {
            _ = try await self.pair.listener.accept(NegotiationTable(["/a"]))
            Issue.record("that should not be accepted")
        } catch {
            #expect(error.code == .negotiationFailed)
            #expect((error.cause as? NegotiationError)?.code == code)
        }
        self.pair.carry(from: self.pair.listener)
        #expect(self.pair.dialer.muxed.failure?.resetCode == .protocolNegotiationFailed)
    }

    @Test("A dialer that finishes before it has proposed fails the listener's task")
    func emptyStream() async throws {
        self.pair.listener.muxed.receiveFinish()
        await #expect(throws: StreamError(.negotiationFailed, "")) { try await self.pair.listener.accept(NegotiationTable(["/a"])) }
    }
}
