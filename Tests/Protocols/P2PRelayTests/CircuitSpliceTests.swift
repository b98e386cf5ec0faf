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

    @Test("A reader that stops makes the relay keep a few KiB, and stops the writer")
    func slowReader() async throws {
        let splice = self.splice()
        let running = Task { await splice.run(for: nil, on: .system) }
        let near = self.source.dialer
        let writer = Task { for _ in 0..<64 { try await near.write(bytes: [UInt8](repeating: 1, count: 64 * 1_024)) } }
        // The target's window is full, then the few KiB of the relay; nothing moves any more.
        var last: UInt64 = 0
        repeat {
            last = splice.bytes
            try await Task.sleep(for: .milliseconds(200))
        } while splice.bytes == 0 || splice.bytes != last
        #expect(splice.bytes <= UInt64(StreamPair.window + CircuitSplice.waiting))
        #expect(self.target.listener.muxed.waitingBytes <= CircuitSplice.waiting)
        writer.cancel()
        running.cancel()
        #expect(await running.value == .over)
    }

    @Test("When both have finished and one takes no more, the circuit is over at its time")
    func withoutCredit() async throws {
        let splice = self.splice()
        async let end = splice.run(for: .seconds(2), on: .system)
        let (near, far) = (self.source.dialer, self.target.dialer)
        try await near.write(bytes: [UInt8](repeating: 1, count: StreamPair.window + CircuitSplice.waiting / 2))
        try await near.finish()
        try await far.finish()
        #expect(await end == .over)
    }

    @Test("What the source has said still reaches the target when the source has gone with all that was for it")
    func goneBehindTheEnd() async throws {
        let splice = self.splice()
        async let end = splice.run(for: .seconds(30), on: .system)
        let (near, far) = (self.source.dialer, self.target.dialer)
        let body = [UInt8](repeating: 1, count: StreamPair.window + CircuitSplice.waiting / 2)
        try await near.write(bytes: body)
        try await near.finish()
        try await far.finish()
        while !self.source.listener.muxed.hasFinishLeft || splice.bytes < UInt64(body.count) { try await Task.sleep(for: .milliseconds(5)) }
        // The splice has seen the source's end before the source's connection fails.
        try await Task.sleep(for: .milliseconds(100))
        self.source.listener.muxed.fail(StreamError(.connectionLost, "gone"))
        #expect(try await far.readToEnd(upTo: body.count) == body)
        #expect(await end == .finished)
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
