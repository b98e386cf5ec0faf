import NIOCore
import NIOPosix
import P2PCore
import P2PIdentity
import P2PMemory
import P2PMultiaddr
import P2PNoise
import P2PPipeline
import P2PYamux
import Testing

@Suite("An upgrade over a stream")
struct StreamChannelUpgradeTests {
    private struct Node {
        let peer: PeerID
        let upgrader: Upgrader

        init() async throws {
            let key = try PrivateKey.generate(.ed25519)
            self.peer = PeerID(key.publicKey)
            self.upgrader = Upgrader(
                localPeer: self.peer, security: [try await NoiseSecurity.make(identity: key)], muxers: [Yamux()],
                windowBudget: MemoryBudget(limit: 1 << 20))
        }
    }

    private func bytes(over stream: PeerStream) async throws -> ByteChannel {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let channel = StreamChannel(stream, on: loop, autoRead: false)
        try await loop.submit { channel.activate() }.get()
        return ByteChannel(channel: channel, localAddress: Multiaddr("/memory/1"), remoteAddress: Multiaddr("/memory/2"))
    }

    @Test("Noise and yamux run over a stream as over a socket, and carry streams of their own", .timeLimit(.minutes(1)))
    func nested() async throws {
        let (one, two) = (try await Node(), try await Node())
        let (near, far) = MemoryStreamPair.connected(window: 64 * 1_024)
        let (nearBytes, farBytes) = (try await self.bytes(over: near), try await self.bytes(over: far))
        async let dialled = one.upgrader.upgrade(nearBytes, role: .dialer, expecting: two.peer, deadline: .now() + .seconds(30))
        async let accepted = two.upgrader.upgrade(farBytes, role: .listener, expecting: nil, deadline: .now() + .seconds(30))
        let (dialer, listener) = (try await dialled, try await accepted)
        #expect(dialer.info.remotePeer == two.peer)
        #expect(listener.info.remotePeer == one.peer)
        #expect(dialer.info.security == "/noise" && dialer.info.muxer == "/yamux/1.0.0")

        let body = [UInt8](repeating: 7, count: 1 << 20)
        let stream = try await dialer.openStream()
        async let sent: Void = {
            try await stream.write(bytes: body)
            try await stream.finish()
        }()
        var inbound = listener.inboundStreams.makeAsyncIterator()
        let arrived = try #require(try await inbound.next())
        #expect(try await arrived.readToEnd(upTo: 2 << 20) == body)
        try await sent
        await dialer.close(.normal, grace: .zero)
        do {
            while try await inbound.next() != nil {}
            Issue.record("only the side that closed ends in peace")
        } catch {
            #expect(error == ConnectionError(.closedByPeer, ""))
        }
    }

    @Test("The wrong peer at the far end of the stream is noticed", .timeLimit(.minutes(1)))
    func wrongPeer() async throws {
        let (one, two) = (try await Node(), try await Node())
        let (near, far) = MemoryStreamPair.connected(window: 64 * 1_024)
        let (nearBytes, farBytes) = (try await self.bytes(over: near), try await self.bytes(over: far))
        let accepting = Task {
            try await two.upgrader.upgrade(farBytes, role: .listener, expecting: nil, deadline: .now() + .seconds(30))
        }
        await #expect(throws: TransportError(.peerMismatch, "")) {
            try await one.upgrader.upgrade(nearBytes, role: .dialer, expecting: one.peer, deadline: .now() + .seconds(30))
        }
        await #expect(throws: TransportError.self) { try await accepting.value }
    }

    @Test("A deadline that passes, and a task that was cancelled, close the channel", .timeLimit(.minutes(1)))
    func deadlineAndCancellation() async throws {
        let node = try await Node()
        let (near, far) = MemoryStreamPair.connected(window: 64 * 1_024)
        let bytes = try await self.bytes(over: near)
        await #expect(throws: TransportError(.timedOut, "")) {
            try await node.upgrader.upgrade(bytes, role: .dialer, expecting: nil, deadline: .now())
        }
        try await bytes.channel.closeFuture.get()
        let farBytes = try await self.bytes(over: far)
        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await node.upgrader.upgrade(farBytes, role: .listener, expecting: nil, deadline: .distantFuture)
        }
        await #expect(throws: TransportError(.cancelled, "")) { try await cancelled.value }
        try await farBytes.channel.closeFuture.get()
    }
}
