import NIOCore
import NIOPosix
import P2PCore
import P2PIdentity
import P2PMemory
import Synchronization
import Testing

@testable import P2PTunnels

@Suite("What is left of a tunnelled connection when its peer has gone", .timeLimit(.minutes(2)))
struct TunnelRestTests {
    /// More than the system keeps between two programs of one machine, so that some of it waits in the stream.
    private static let body = ByteBuffer(bytes: (0..<24 * 1_048_576).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })

    /// How the peer goes.
    enum Leaving: CaseIterable {
        /// Its connection ends, and the task that serves it is cancelled.
        case connectionEnds
        /// The stream is reset, while the program still speaks.
        case streamEnds
    }

    /// Runs a program that reads late, behind a pump whose peer says everything, its end included if `isWhole`, and goes; returns what the program has read.
    private func read(_ leaving: Leaving, isWhole: Bool) async throws -> (read: Result<ByteBuffer, any Error>, isCounted: Bool) {
        let hasGone = Signal()
        let outcome = Mutex<Result<ByteBuffer, any Error>?>(nil)
        let (results, result) = AsyncStream.makeStream(of: Result<ByteBuffer, any Error>.self)
        let tunnels = Tunnels()
        try await withServer { inbound, outbound, _ in
            await hasGone.wait()
            // Nobody hears that.
            try? await outbound.write(ByteBuffer(string: "and then"))
            try await Task.sleep(for: .milliseconds(200))
            var all = ByteBuffer()
            do {
                for try await bytes in inbound {
                    all.writeImmutableBuffer(bytes)
                    try? await outbound.write(ByteBuffer(string: "I have more"))
                }
                result.yield(.success(all))
            } catch {
                result.yield(.failure(error))
            }
        } _: { target in
            let (near, far) = MemoryStreamPair.connected(window: 2 * Self.body.readableBytes)
            let traffic = TunnelTraffic()
            let place = try await tunnels.ledger.admit(PeerID(try PrivateKey.generate(.ed25519).publicKey), to: traffic)
            let times = TunnelCourse.Times(idle: nil, halfClosedIdle: .seconds(60))
            let socket = try await TunnelDialer(connectTimeout: .seconds(10)).connect(
                to: target, times: times, on: MultiThreadedEventLoopGroup.singleton.any(), deadline: .now() + .seconds(10))
            place.opened()
            let running = Task { try await socket.pump.run(near, place) }
            try await far.write(Self.body)
            if isWhole { try await far.finish() }
            while traffic.bytesIn.load(ordering: .relaxed) < 100_000 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(near.muxed.unreadBytes > 0)
            near.muxed.fail(StreamError(.connectionLost, "gone"))
            if leaving == .connectionEnds { running.cancel() }
            hasGone.fire()
            let read = await results.first { _ in true }
            outcome.withLock { $0 = read }
            _ = await running.result
        }
        return (try #require(outcome.withLock { $0 }), tunnels.ledger.census == (0, 0, 0))
    }

    @Test("What the peer had said to the end reaches a program that reads late, whatever that says meanwhile", arguments: Leaving.allCases)
    func whole(leaving: Leaving) async throws {
        let (read, isCounted) = try await self.read(leaving, isWhole: true)
        #expect(try read.get() == Self.body)
        #expect(isCounted)
    }

    @Test("A part is not taken for the whole: the program hears a reset", arguments: Leaving.allCases)
    func part(leaving: Leaving) async throws {
        let (read, isCounted) = try await self.read(leaving, isWhole: false)
        #expect(throws: (any Error).self) { try read.get() }
        #expect(isCounted)
    }
}
