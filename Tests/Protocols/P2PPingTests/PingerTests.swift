import NIOCore
import P2PCore
import P2PPing
import P2PProtocolTesting
import Testing

@Suite("The asking side of ping")
struct PingerTests {
    @Test("Pings share one stream, and each takes some time")
    func oneStream() async throws {
        let connection = try ConnectionInfo.sample()
        let peer = LoopbackPeer(PingProtocol(), on: connection)
        let pinger = Pinger(connection.remotePeer, opening: peer)
        for _ in 0..<3 { #expect(try await pinger.ping() > .zero) }
        #expect(peer.opened == 1)
        await pinger.close()
        #expect(try await pinger.ping() > .zero)
        #expect(peer.opened == 2)
    }

    @Test("Other bytes than were sent are an error, and the next ping takes another stream")
    func wrongAnswer() async throws {
        let peer = try LoopbackPeer { stream in
            while try await stream.readExactly(32) != nil { try await stream.write(ByteBuffer(repeating: 7, count: 32)) }
        }
        let pinger = Pinger(on: peer.peerConnection)
        #expect(await errorCode { _ = try await pinger.ping() } == .malformed)
        #expect(await errorCode { _ = try await pinger.ping() } == .malformed)
        #expect(peer.opened == 2)
    }

    @Test("A peer that finishes instead of answering is an error")
    func finish() async throws {
        let pinger = Pinger(on: try LoopbackPeer { _ = try await $0.readExactly(32) }.peerConnection)
        #expect(await errorCode { _ = try await pinger.ping() } == .unexpectedEnd)
    }

    @Test("A peer that resets is an error")
    func reset() async throws {
        let pinger = Pinger(on: try LoopbackPeer { $0.reset() }.peerConnection)
        #expect(await errorCode { _ = try await pinger.ping() } == .reset)
    }

    @Test("Silence ends with the time-out, and the next ping takes another stream")
    func silence() async throws {
        let peer = try LoopbackPeer { stream in while try await stream.read() != nil {} }
        let pinger = Pinger(on: peer.peerConnection)
        #expect(await errorCode { _ = try await pinger.ping(timeout: .milliseconds(20)) } == .timedOut)
        #expect(await errorCode { _ = try await pinger.ping(timeout: .milliseconds(20)) } == .timedOut)
        #expect(peer.opened == 2)
    }

    @Test("A second ping at the same time is refused")
    func busy() async throws {
        let (arrived, arrival) = AsyncStream.makeStream(of: Void.self)
        let pinger = Pinger(
            on: try LoopbackPeer { stream in
                while try await stream.read() != nil { arrival.yield() }
            }.peerConnection)
        let first = Task { try await pinger.ping(timeout: nil) }
        for await _ in arrived { break }
        #expect(await errorCode { _ = try await pinger.ping() } == .busy)
        first.cancel()
        await #expect(throws: StreamError(.cancelled, "")) { try await first.value }
    }
}
