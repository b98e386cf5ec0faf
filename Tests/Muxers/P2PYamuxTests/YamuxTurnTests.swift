import NIOCore
import P2PCore
import Testing

@testable import P2PYamux

@Suite("A stream's turn in yamux")
struct YamuxTurnTests {
    private final class Nobody: MuxedStreamOwner {
        func streamHasWork(_ stream: MuxedStream) {}
    }

    /// One session, and a stream as its application left it.
    private struct Side: ~Copyable {
        var session = YamuxSession(role: .dialer, now: .uptimeNanoseconds(1))
        let stream = MuxedStream(owner: Nobody(), creditThreshold: 1)
        let now = NIODeadline.uptimeNanoseconds(1)

        mutating func open() throws -> UInt32 {
            guard case .opened(let id) = self.session.open(at: self.now) else { throw YamuxViolation.streamID(0) }
            return id
        }

        /// The peer opens stream 2.
        mutating func receiveOpening() {
            let opening = YamuxHeader(type: .windowUpdate, flags: .syn, streamID: 2, length: 0)
            _ = self.session.received(opening, at: self.now)
        }

        mutating func turn(of id: UInt32, quantum: Int = .max) -> YamuxSession.Turn {
            var record = ByteBuffer()
            let offer = self.stream.copy(upTo: min(quantum, self.session.sendable(on: id)), to: &record)
            return self.session.turn(of: id, offering: offer, at: self.now)
        }
    }

    private static func bytes(_ count: Int) -> ByteBuffer { ByteBuffer(repeating: 7, count: count) }

    @Test("A new stream that has nothing to send is announced, once")
    func announcement() throws {
        var side = Side()
        let id = try side.open()
        var expected = YamuxSession.Turn()
        expected.lone = YamuxHeader(type: .windowUpdate, flags: .syn, streamID: id, length: 0)
        #expect(side.turn(of: id) == expected)
        #expect(side.turn(of: id) == YamuxSession.Turn())
    }

    @Test("A new stream's first bytes carry SYN; its half-close follows in the same turn")
    func firstBytes() throws {
        var side = Side()
        let id = try side.open()
        _ = side.stream.tryWrite(Self.bytes(10))
        _ = side.stream.tryFinish()
        var expected = YamuxSession.Turn()
        expected.data = YamuxHeader(type: .data, flags: .syn, streamID: id, length: 10)
        expected.finish = YamuxHeader(type: .data, flags: .fin, streamID: id, length: 0)
        expected.hasFinished = true
        #expect(side.turn(of: id) == expected)
    }

    @Test("A stream of the peer is not acknowledged by a turn that has nothing to send; a half-close never shares a frame with ACK")
    func acknowledgement() {
        var side = Side()
        side.receiveOpening()
        #expect(side.turn(of: 2) == YamuxSession.Turn())
        _ = side.stream.tryWrite(Self.bytes(10))
        _ = side.stream.tryFinish()
        var expected = YamuxSession.Turn()
        expected.data = YamuxHeader(type: .data, flags: .ack, streamID: 2, length: 10)
        expected.finish = YamuxHeader(type: .data, flags: .fin, streamID: 2, length: 0)
        expected.hasFinished = true
        #expect(side.turn(of: 2) == expected)
    }

    @Test("A reset is all that its turn has, and is nothing where the peer never heard of the stream")
    func reset() throws {
        var side = Side()
        let unknown = try side.open()
        side.stream.reset(.cancelled)
        var expected = YamuxSession.Turn()
        expected.isClosed = true
        #expect(side.turn(of: unknown) == expected)
        var other = Side()
        let id = try other.open()
        _ = other.turn(of: id)
        _ = other.stream.tryWrite(Self.bytes(10))
        other.stream.reset(.cancelled)
        expected.lone = YamuxHeader(type: .windowUpdate, flags: .rst, streamID: id, length: 0)
        #expect(other.turn(of: id) == expected)
        #expect(other.session.streamCount == 0)
    }

    @Test("A reset says why, as the other side's protocol hands it on")
    func resetCode() throws {
        var side = Side()
        let id = try side.open()
        _ = side.turn(of: id)
        side.stream.reset(.gated)
        let header = side.turn(of: id).lone
        #expect(header == YamuxHeader(type: .windowUpdate, flags: .rst, streamID: id, length: 0x1007))
        var peer = YamuxSession(role: .listener, now: .now())
        _ = peer.received(YamuxHeader(type: .windowUpdate, flags: .syn, streamID: id, length: 0), at: .now())
        #expect(try peer.received(#require(header), at: .now()) == .stream(id, [.reset, .closed], code: 0x1007))
    }

    @Test("A stream has another turn when there are bytes left and credit for them")
    func staysReady() throws {
        var side = Side()
        let id = try side.open()
        let window = Int(YamuxConfiguration.initialWindow)
        _ = side.stream.tryWrite(Self.bytes(window + 1))
        let first = side.turn(of: id, quantum: 1_000)
        #expect(first.isStillReady && first.data?.length == 1_000)
        let second = side.turn(of: id)
        #expect(!second.isStillReady && second.data?.length == YamuxConfiguration.initialWindow - 1_000)
        #expect(side.turn(of: id) == YamuxSession.Turn())
        _ = side.session.received(YamuxHeader(type: .windowUpdate, flags: [], streamID: id, length: 1), at: side.now)
        #expect(side.turn(of: id).data?.length == 1)
    }

    @Test("What the reader consumed goes back once it is half a window")
    func credit() {
        var side = Side()
        side.receiveOpening()
        let half = Int(YamuxConfiguration.initialWindow) / 2
        for (count, isDue) in [(half - 1, false), (1, true)] {
            _ = side.session.received(YamuxHeader(type: .data, flags: [], streamID: 2, length: UInt32(count)), at: side.now)
            _ = side.session.receivedBody(count)
            _ = side.stream.receive(Self.bytes(count))
            _ = side.stream.tryRead(upTo: count)
            let turn = side.turn(of: 2)
            #expect(turn.update == (isDue ? YamuxHeader(type: .windowUpdate, flags: .ack, streamID: 2, length: UInt32(half)) : nil))
            #expect(turn.creditThreshold == nil, "the window is as large as it was")
            #expect(turn.data == nil && turn.lone == nil)
        }
    }

    private final class Feeder: MuxedStreamObserver {
        func streamChanged() {}
        func streamReceived(_ stream: MuxedStream) {}
        func waitingBytes(for stream: MuxedStream) -> Int { 0 }
        func takeBytes(for stream: MuxedStream, upTo limit: Int) -> ByteBuffer? { nil }
    }

    @Test("Where what is read goes on, and slowly, the window gets narrower until less of it waits", arguments: [true, false])
    func narrowing(passesOn: Bool) {
        var side = Side()
        side.receiveOpening()
        if passesOn { side.stream.observe(Feeder(), isFed: true) }
        var (credit, threshold, updates): (Int, Int, [Int]) = (Int(YamuxConfiguration.initialWindow), 128 << 10, [])
        for _ in 0..<9 {
            // The peer sends whatever it may.
            _ = side.session.received(YamuxHeader(type: .data, flags: [], streamID: 2, length: UInt32(credit)), at: side.now)
            _ = side.session.receivedBody(credit)
            _ = side.stream.receive(Self.bytes(credit))
            var left = threshold
            while left > 0, case .bytes(let bytes) = side.stream.tryRead(upTo: left) { left -= bytes.readableBytes }
            let turn = side.turn(of: 2)
            credit = Int(turn.update?.length ?? 0)
            threshold = turn.creditThreshold ?? threshold
            updates.append(credit)
        }
        // At first nothing had been there that could wait.
        let narrower = [131_072, 65_536, 49_152, 36_864, 27_648, 24_064, 32_768, 32_768, 32_768]
        #expect(updates == (passesOn ? narrower : Array(repeating: 128 << 10, count: 9)))
        #expect(side.stream.unreadBytes == (passesOn ? 32 << 10 : 128 << 10))
    }

    @Test("A reader that stops is remembered with the time by which the peer is to have ended")
    func stopsReading() throws {
        var side = Side()
        let id = try side.open()
        _ = side.turn(of: id)
        side.stream.stopReading()
        var expected = YamuxSession.Turn()
        expected.lingersUntil = side.now + TimeAmount(YamuxConfiguration().lingerTimeout)
        #expect(side.turn(of: id) == expected)
        #expect(side.session.lingerDeadline(after: side.now) == expected.lingersUntil)
    }

    @Test("Bytes of a stream that the session has forgotten do not go out")
    func forgotten() {
        var side = Side()
        _ = side.stream.tryWrite(Self.bytes(10))
        var record = ByteBuffer()
        let offer = side.stream.copy(upTo: 10, to: &record)
        #expect(side.session.turn(of: 9, offering: offer, at: side.now) == YamuxSession.Turn())
    }

    @Test("The half-close that ends both directions ends the stream")
    func ends() {
        var side = Side()
        side.receiveOpening()
        _ = side.session.received(YamuxHeader(type: .data, flags: .fin, streamID: 2, length: 0), at: side.now)
        _ = side.stream.tryFinish()
        let turn = side.turn(of: 2)
        #expect(turn.hasFinished && turn.isClosed && side.session.streamCount == 0)
    }
}
