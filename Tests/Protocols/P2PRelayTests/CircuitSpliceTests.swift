import NIOCore
import NIOPosix
import P2PCore
import P2PProtocolTesting
import Testing

@testable import P2PRelay

@Suite("Two streams that are a circuit", .timeLimit(.minutes(1)))
struct CircuitSpliceTests {
    private let source = StreamPair()
    private let target = StreamPair()
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private func splice(limit: UInt64? = nil) -> CircuitSplice {
        CircuitSplice(self.source.listener, self.target.listener, limit: limit, on: self.loop)
    }

    @Test("Bytes go both ways, each side finishes on its own, and the circuit is over when both have")
    func bothWays() async throws {
        let splice = self.splice()
        async let end = splice.run(for: .seconds(60), on: .system)
        let body = [UInt8](repeating: 7, count: 1_000_000)
        let (near, far) = (self.source.dialer, self.target.dialer)
        async let sent: Void = {
            try await near.write(bytes: body)
            try await near.finish()
        }()
        #expect(try await far.readToEnd(upTo: 2_000_000) == body)
        try await sent
        try await far.write(text: "and back")
        try await far.finish()
        #expect(try await near.readText(upTo: 100) == "and back")
        #expect(await end == .finished)
        #expect(splice.bytes == 1_000_008)
    }

    @Test("At the limit exactly so many bytes arrive, and both streams are reset")
    func exhausted() async throws {
        let splice = self.splice(limit: 100_000)
        async let end = splice.run(for: nil, on: .system)
        try await self.source.dialer.write(bytes: [UInt8](repeating: 1, count: 100_001))
        let far = self.target.dialer
        var received = 0
        var failure: StreamError?
        do throws(StreamError) {
            while let bytes = try await far.read() { received += bytes.readableBytes }
        } catch {
            failure = error
        }
        #expect(received == 100_000)
        #expect(failure?.code == .reset && failure?.resetCode == .resourceLimitExceeded)
        #expect(await end == .exhausted)
        #expect(await errorCode { _ = try await self.source.dialer.read() } == .reset)
    }

    @Test("A limit that both reach at the same byte ends both, behind exactly so many bytes")
    func exhaustedBothWays() async throws {
        let body = [UInt8](repeating: 1, count: 100_001)
        try await self.source.dialer.write(bytes: body)
        try await self.target.dialer.write(bytes: body)
        // Made before, it might end the circuit before the second has written.
        let splice = self.splice(limit: 100_000)
        async let end = splice.run(for: nil, on: .system)
        #expect(await end == .exhausted)
        let (here, there) = (await Self.drain(self.source.dialer), await Self.drain(self.target.dialer))
        #expect(here.code == .reset && there.code == .reset)
        #expect(max(here.bytes, there.bytes) == 100_000 && splice.bytes <= 200_000)
    }

    /// What arrives until the stream fails.
    private static func drain(_ stream: PeerStream) async -> (bytes: Int, code: StreamError.Code?) {
        var received = 0
        do throws(StreamError) {
            while let bytes = try await stream.read() { received += bytes.readableBytes }
            return (received, nil)
        } catch {
            return (received, error.code)
        }
    }

    @Test("A byte at a time goes on a byte at a time, nothing of it waits here, and at its time the circuit is over all the same")
    func trickle() async throws {
        let splice = self.splice(limit: 100)
        async let end = splice.run(for: .seconds(2), on: .system)
        let (near, far) = (self.source.dialer, self.target.dialer)
        for number in 1...UInt8(20) {
            try await near.write(bytes: [number])
            #expect(try await far.readExactly(1) == ByteBuffer(bytes: [number]))
            #expect(splice.bytes == UInt64(number))
        }
        #expect(self.source.listener.muxed.inbound == (0, false) && self.target.listener.muxed.waitingBytes == 0)
        #expect(await end == .over)
        #expect(await errorCode { _ = try await near.read() } == .reset)
        #expect(await errorCode { _ = try await far.read() } == .reset)
    }

    @Test("As many bytes as may, and the end behind them, are whole; the limit counts each way by itself")
    func exactly() async throws {
        let splice = self.splice(limit: 5)
        async let end = splice.run(for: nil, on: .system)
        try await self.source.dialer.write(text: "12345")
        try await self.target.dialer.write(text: "54321")
        try await self.source.dialer.finish()
        try await self.target.dialer.finish()
        #expect(try await self.target.dialer.readText(upTo: 10) == "12345")
        #expect(try await self.source.dialer.readText(upTo: 10) == "54321")
        #expect(await end == .finished)
    }

    @Test("A reader that stops makes the relay keep nothing but what the writer's window lets it send ahead, and stops the writer")
    func slowReader() async throws {
        let splice = self.splice()
        let running = Task { await splice.run(for: nil, on: .system) }
        let near = self.source.dialer
        let writer = Task { for _ in 0..<64 { try await near.write(bytes: [UInt8](repeating: 1, count: 64 * 1_024)) } }
        // The target's window is full, then the source's; nothing moves any more.
        let (incoming, outgoing) = (self.source.listener.muxed, self.target.listener.muxed)
        while splice.bytes < UInt64(StreamPair.window) || incoming.unreadBytes < StreamPair.window / 2 {
            try await Task.sleep(for: .milliseconds(5))
        }
        try await Task.sleep(for: .milliseconds(100))
        #expect(splice.bytes == UInt64(StreamPair.window))
        // Credit goes back by halves of a window.
        #expect(incoming.unreadBytes <= StreamPair.window)
        #expect(outgoing.writableBytes == StreamBuffer.highWaterMark)
        writer.cancel()
        running.cancel()
        #expect(await running.value == .over)
    }

    @Test("What one has not taken when both have said everything waits in its stream, with the end behind it, and the other is done")
    func withoutCredit() async throws {
        let splice = self.splice(limit: UInt64(StreamPair.window) + 4_096)
        async let end = splice.run(for: .seconds(30), on: .system)
        let (near, far) = (self.source.dialer, self.target.dialer)
        let body = [UInt8](repeating: 1, count: StreamPair.window + 4_096)
        try await near.write(bytes: body)
        try await near.finish()
        try await far.finish()
        #expect(await end == .finished)
        let outgoing = self.target.listener.muxed
        while outgoing.waitingBytes != 4_096 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(!outgoing.hasFinishLeft && outgoing.failure == nil)
        #expect(self.source.listener.muxed.inbound == (0, true) && splice.bytes == body.count)
        #expect(try await far.readToEnd(upTo: body.count) == body)
    }

    /// Waits until one has said everything and the other's window is full.
    private func fill(_ from: StreamPair, _ to: StreamPair, finishing isFinished: Bool = true) async throws -> [UInt8] {
        let body = (0..<StreamPair.window + 100_000).map { UInt8(truncatingIfNeeded: $0 % 251) }
        try await from.dialer.write(bytes: body)
        if isFinished { try await from.dialer.finish() }
        while from.listener.muxed.inbound != (100_000, isFinished) { try await Task.sleep(for: .milliseconds(5)) }
        return body
    }

    @Test("What one side has said reaches the other, its end included, when it has gone", arguments: [true, false], [true, false])
    func goneBehindTheEnd(isSource: Bool, hasHeardTheEnd: Bool) async throws {
        let splice = self.splice()
        async let end = splice.run(for: .seconds(30), on: .system)
        let (giver, taker) = isSource ? (self.source, self.target) : (self.target, self.source)
        let body = try await self.fill(giver, taker)
        if hasHeardTheEnd { try await taker.dialer.finish() }
        giver.listener.muxed.fail(StreamError(.connectionLost, "gone"))
        #expect(await end == .finished)
        #expect(try await taker.dialer.readToEnd(upTo: body.count) == body)
    }

    @Test("Of a side that goes in the middle of what it says nothing is passed on as if it were whole", arguments: [true, false])
    func goneBeforeTheEnd(isSource: Bool) async throws {
        let splice = self.splice()
        async let end = splice.run(for: .seconds(30), on: .system)
        let (giver, taker) = isSource ? (self.source, self.target) : (self.target, self.source)
        _ = try await self.fill(giver, taker, finishing: false)
        giver.listener.muxed.fail(StreamError(.connectionLost, "gone"))
        #expect(await end == .broken)
        #expect(await errorCode { _ = try await taker.dialer.readToEnd(upTo: 1 << 20) } == .reset)
    }

    @Test("A task that is cancelled hands on what is whole of what the source has said, and nothing else", arguments: [true, false])
    func cancelled(isFinished: Bool) async throws {
        let splice = self.splice()
        let running = Task { await splice.run(for: nil, on: .system) }
        let body = try await self.fill(self.source, self.target, finishing: isFinished)
        running.cancel()
        #expect(await running.value == (isFinished ? .finished : .over))
        // What it was to hear has not come to an end.
        #expect(await errorCode { _ = try await self.source.dialer.read() } == .reset)
        if isFinished {
            #expect(try await self.target.dialer.readToEnd(upTo: body.count) == body)
        } else {
            #expect(await errorCode { _ = try await self.target.dialer.readToEnd(upTo: 1 << 20) } == .reset)
        }
    }

    @Test("A rest that is more than may pass is cut at exactly so many bytes, also when whoever said it is gone")
    func goneBeyondTheLimit() async throws {
        let limit = StreamPair.window + 50_000
        let splice = self.splice(limit: UInt64(limit))
        async let end = splice.run(for: .seconds(30), on: .system)
        _ = try await self.fill(self.target, self.source)
        self.target.listener.muxed.fail(StreamError(.connectionLost, "gone"))
        let arrived = await Self.drain(self.source.dialer)
        #expect(arrived.bytes == limit && arrived.code == .reset)
        #expect(await end == .exhausted)
    }

    @Test("Also where it ends while a taker takes, a circuit passes on every byte once and in order", arguments: 0..<20)
    func goneWhileItMoves(round: Int) async throws {
        let splice = self.splice()
        async let end = splice.run(for: .seconds(30), on: .system)
        let (near, far) = (self.source.dialer, self.target.dialer)
        let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 % 251) }
        async let received = far.readToEnd(upTo: body.count)
        try await near.write(bytes: body)
        try await near.finish()
        while !self.source.listener.muxed.hasPeerFinished { await Task.yield() }
        self.source.listener.muxed.fail(StreamError(.connectionLost, "gone"))
        #expect(try await received == body)
        #expect(await end == .finished)
        #expect(splice.bytes == body.count)
    }

    @Test("A rest is handed over between two bites of the muxer, or not at all", arguments: [nil, 90_000] as [UInt64?])
    func handOver(limit: UInt64?) async throws {
        let body = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 % 251) }
        for _ in 0..<50 {
            let (source, target) = (StreamPair(), StreamPair())
            let direction = CircuitDirection(from: source.listener, to: target.listener, limit: limit)
            try await source.dialer.write(bytes: body)
            try await source.dialer.finish()
            while source.listener.muxed.inbound != (body.count, true) { await Task.yield() }
            // The muxer's own loop, which takes a little at a time, and stops when it gets nothing.
            async let taken: [UInt8] = await Task.detached {
                var taken: [UInt8] = []
                while taken.count < 80_000, let bytes = direction.take(upTo: 97) { taken.append(contentsOf: bytes.readableBytesView) }
                return taken
            }.value
            while direction.passed == 0 { await Task.yield() }
            var outcome = direction.handOver()
            while case .later = outcome { outcome = direction.handOver() }
            switch outcome {
            case .done:
                #expect(direction.take(upTo: 97) == nil && direction.passed == body.count)
                #expect(try await taken + target.dialer.readToEnd(upTo: body.count) == body)
            case .tooMuch:
                let first = await taken
                // What was taken before goes on, what is left waits where it was.
                #expect(first == Array(body.prefix(first.count)) && direction.passed == first.count && limit != nil)
                #expect(source.listener.muxed.unreadBytes == body.count - first.count)
            case .later, .broken: Issue.record("\(outcome)")
            }
        }
    }

    @Test("What is let go of is not handed over")
    func handOverOfNothing() async throws {
        let direction = CircuitDirection(from: self.source.listener, to: self.target.listener, limit: nil)
        try await self.source.dialer.write(bytes: [UInt8](repeating: 1, count: 1_000))
        try await self.source.dialer.finish()
        while !direction.isSaid { await Task.yield() }
        self.source.listener.muxed.fail(StreamError(.connectionLost, "gone"), lettingGo: true)
        guard case .broken = direction.handOver() else { return #expect(Bool(false), "it was handed over") }
        #expect(self.target.listener.muxed.waitingBytes == 0)
    }

    @Test(
        "What waits of a side that says no more counts for the one that is to take it, until it has, or is gone", arguments: [true, false])
    func countsForTheTaker(takes: Bool) async throws {
        let splice = self.splice()
        async let end = splice.run(for: .seconds(30), on: .system)
        let (near, far) = (self.source.dialer, self.target.dialer)
        let body = [UInt8](repeating: 1, count: StreamPair.window + 100_000)
        // The source takes what its window holds, and no more.
        try await far.write(bytes: body)
        while self.target.heldBytes != 100_000 || self.source.heldBytes != StreamPair.window { try await Task.sleep(for: .milliseconds(5)) }
        try await far.finish()
        try await near.finish()
        // It is taken off the one before it counts for the other.
        while self.target.heldBytes != 0 || self.source.heldBytes != body.count { try await Task.sleep(for: .milliseconds(5)) }
        if takes { #expect(try await near.readToEnd(upTo: body.count) == body) } else { near.reset() }
        #expect(await end == .finished)
        while self.source.heldBytes != 0 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(self.target.heldBytes == 0)
    }

    @Test("Of what was let go of with its connection the rest is not passed on as if it were whole")
    func letGo() async throws {
        let splice = self.splice()
        async let end = splice.run(for: .seconds(30), on: .system)
        _ = try await self.fill(self.target, self.source)
        // As an eviction does.
        self.target.listener.muxed.fail(StreamError(.connectionLost, "gone"), lettingGo: true)
        #expect(await end == .broken)
        #expect(await errorCode { _ = try await self.source.dialer.readToEnd(upTo: 1 << 20) } == .reset)
        while self.target.heldBytes != 0 { try await Task.sleep(for: .milliseconds(5)) }
    }

    @Test("One side that goes takes the other with it")
    func broken() async throws {
        let splice = self.splice()
        async let end = splice.run(for: nil, on: .system)
        try await self.source.dialer.write(text: "x")
        #expect(try await self.target.dialer.readExactly(1) != nil)
        self.target.dialer.reset()
        #expect(await end == .broken)
        #expect(await errorCode { _ = try await self.source.dialer.read() } == .reset)
    }

    @Test("When its time is over both are reset")
    func time() async throws {
        let splice = self.splice()
        #expect(await splice.run(for: .milliseconds(50), on: .system) == .over)
        #expect(await errorCode { _ = try await self.source.dialer.read() } == .reset)
        #expect(await errorCode { _ = try await self.target.dialer.read() } == .reset)
    }
}
