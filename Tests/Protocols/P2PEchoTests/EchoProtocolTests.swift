import NIOCore
import P2PCore
import P2PEcho
import P2PProtocolTesting
import Testing

@Suite("Echo")
struct EchoProtocolTests {
    @Test("Everything comes back, then the half-close", arguments: [0, 1, 4_096, 3_000_000])
    func echoes(size: Int) async throws {
        let pair = StreamPair()
        let connection = try PeerConnection.sample()
        let sent = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        async let failure = EchoProtocol().serve(pair.listener, on: connection)
        async let received = pair.dialer.readToEnd(upTo: size)
        try await pair.dialer.write(bytes: sent)
        try await pair.dialer.finish()
        #expect(try await received == sent)
        #expect(await failure == nil)
    }

    @Test("A dialer that never reads is not read from without end")
    func backPressure() async throws {
        let pair = StreamPair()
        let connection = try PeerConnection.sample()
        let server = Task { await EchoProtocol().serve(pair.listener, on: connection) }
        // Two windows and two outbound buffers are all that fit between the two, so a write must be left waiting.
        let limit = 2 * StreamPair.window + 2 * StreamBuffer.highWaterMark + 4 * 65_536
        let piece = ByteBuffer(repeating: 1, count: 65_536)
        let (blocked, count) = await self.writeUntilBlocked(pair.dialer, piece)
        #expect(blocked)
        #expect(count * piece.readableBytes <= limit)
        pair.dialer.reset()
        #expect(await server.value?.code == .reset)
    }

    /// Writes until a write is still waiting when nothing else in the process has anything to do.
    private func writeUntilBlocked(_ stream: PeerStream, _ piece: ByteBuffer) async -> (Bool, Int) {
        for count in 0..<1_000 {
            let outcome: Void? = try? await HostClock.system.result(by: .now() + .milliseconds(300)) { try await stream.write(piece) }
            if outcome == nil { return (true, count) }
        }
        return (false, 1_000)
    }

    @Test("It speaks /echo/1.0.0 on the connection's loop")
    func identity() {
        #expect(EchoProtocol().protocolIDs == ["/echo/1.0.0"])
        #expect(EchoProtocol().placement == .connectionLoop)
    }
}
