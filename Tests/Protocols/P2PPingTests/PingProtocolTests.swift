import NIOCore
import P2PCore
import P2PPing
import P2PProtocolTesting
import Testing

@Suite("The answering side of ping")
struct PingProtocolTests {
    private static let ping = ByteBuffer(bytes: 0..<32)
    private static let other = ByteBuffer(bytes: 32..<64)

    @Test("Every 32 bytes come back, until the dialer finishes")
    func echoes() async throws {
        let pair = StreamPair()
        let connection = try PeerConnection.sample()
        async let failure = PingProtocol().serve(pair.listener, on: connection)
        for ping in [Self.ping, Self.other, Self.ping] {
            try await pair.dialer.write(ping)
            #expect(try await pair.dialer.readExactly(32) == ping)
        }
        try await pair.dialer.finish()
        #expect(try await pair.dialer.read() == nil)
        #expect(await failure == nil)
    }

    @Test("Of 33 bytes the last one waits for the rest of its ping")
    func oneByteTooMany() async throws {
        let pair = StreamPair()
        let connection = try PeerConnection.sample()
        async let failure = PingProtocol().serve(pair.listener, on: connection)
        var bytes = Self.ping
        bytes.writeImmutableBuffer(Self.other.getSlice(at: 0, length: 1) ?? ByteBuffer())
        try await pair.dialer.write(bytes)
        #expect(try await pair.dialer.readExactly(32) == Self.ping)
        try await pair.dialer.write(Self.other.getSlice(at: 1, length: 31) ?? ByteBuffer())
        #expect(try await pair.dialer.readExactly(32) == Self.other)
        try await pair.dialer.finish()
        #expect(await failure == nil)
    }

    @Test("A dialer that finishes after 31 bytes has its stream reset")
    func oneByteTooFew() async throws {
        let pair = StreamPair()
        let connection = try PeerConnection.sample()
        async let failure = PingProtocol().serve(pair.listener, on: connection)
        try await pair.dialer.write(Self.ping.getSlice(at: 0, length: 31) ?? ByteBuffer())
        try await pair.dialer.finish()
        #expect(await errorCode { _ = try await pair.dialer.read() } == .reset)
        #expect(await failure?.code == .unexpectedEnd)
    }

    @Test("It answers to the name that the ping spec gives it")
    func name() {
        #expect(PingProtocol().protocolIDs == ["/ipfs/ping/1.0.0"])
    }
}
