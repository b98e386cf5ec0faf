import NIOCore
import NIOEmbedded
import NIOWebSocket
import P2PCore
import Testing

@testable import P2PWebSocket

@Suite("WebSocket handler")
struct HandlerTests {
    private let collector = Collector()

    private func channel(_ side: WebSocketSide) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handlers: [WebSocketHandler(side: side), self.collector])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return channel
    }

    /// What a decoder that we did not write makes of our frames.
    private func decoded(_ bytes: ByteBuffer) throws -> [WebSocketFrame] {
        let decoder = EmbeddedChannel(handler: ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: 1 << 20)))
        try decoder.writeInbound(bytes)
        var frames: [WebSocketFrame] = []
        while let frame = try decoder.readInbound(as: WebSocketFrame.self) { frames.append(frame) }
        return frames
    }

    @Test("NIOWebSocket reads what we write", arguments: [WebSocketSide.client, .server], [1, 1_024, 1_025, 70_000, 300_000])
    func written(side: WebSocketSide, length: Int) throws {
        let channel = try self.channel(side)
        let payload = ByteBuffer(bytes: (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 13) })
        var completed = 0
        for _ in 0..<2 { channel.write(payload).assumeIsolated().whenSuccess { completed += 1 } }
        channel.flush()
        let frames = try self.decoded(try channel.sent())
        let twice = Array(payload.readableBytesView) + Array(payload.readableBytesView)
        #expect(frames.flatMap { Array($0.unmaskedData.readableBytesView) } == twice)
        #expect(frames.allSatisfy { $0.opcode == .binary && $0.fin && ($0.maskKey != nil) == (side == .client) })
        #expect(completed == 2)
    }

    @Test("We read what NIOWebSocket writes, also one byte at a time", arguments: [WebSocketSide.client, .server], [Int.max, 1])
    func read(side: WebSocketSide, step: Int) throws {
        let encoder = EmbeddedChannel(handler: WebSocketFrameEncoder())
        let payload = (0..<70_000).map { UInt8(truncatingIfNeeded: $0) }
        for (index, fin) in [(0, false), (1, true)] {
            try encoder.writeOutbound(
                WebSocketFrame(
                    fin: fin, opcode: index == 0 ? .binary : .continuation, maskKey: side == .server ? [1, 2, 3, 4] : nil,
                    data: ByteBuffer(bytes: payload)))
        }
        let channel = try self.channel(side)
        var wire = try encoder.sent()
        while let piece = wire.readSlice(length: min(step, wire.readableBytes)), piece.readableBytes > 0 { try channel.writeInbound(piece) }
        #expect(self.collector.bytes == payload + payload)
    }

    @Test("Pings are answered, in order, in one flush")
    func pings() throws {
        let channel = try self.channel(.server)
        var wire = rawFrame(0x89, [1])
        wire.writeImmutableBuffer(rawFrame(0x89, [2, 2]))
        try channel.writeInbound(wire)
        #expect(try channel.sent() == ByteBuffer(bytes: [0x8a, 1, 1, 0x8a, 2, 2, 2]))
    }

    @Test("A channel that takes nothing is owed one pong, for the newest ping")
    func owedPong() throws {
        let channel = try self.channel(.server)
        channel.isWritable = false
        for number in UInt8(1)...50 { try channel.writeInbound(rawFrame(0x89, [number])) }
        #expect(try channel.sent().readableBytes == 0)
        channel.isWritable = true
        channel.pipeline.fireChannelWritabilityChanged()
        #expect(try channel.sent() == ByteBuffer(bytes: [0x8a, 1, 50]))
    }

    @Test("Too many frames that carry nothing end the connection with 1008", arguments: [UInt8(0x89), 0x8a, 0x82])
    func idleFrames(first: UInt8) throws {
        let channel = try self.channel(.server)
        for _ in 0..<WebSocketLimits.idleFrames { try channel.writeInbound(rawFrame(first)) }
        _ = try channel.sent()
        #expect(self.collector.errors.isEmpty)
        try channel.writeInbound(rawFrame(first))
        #expect((self.collector.errors.first as? WebSocketError)?.code == .rateLimited)
        #expect(try channel.sent() == ByteBuffer(bytes: [0x88, 2, 0x03, 0xf0]))
    }

    @Test("A violation is answered with its code, and nothing more is passed on")
    func violation() throws {
        let channel = try self.channel(.server)
        var wire = rawFrame(0x82, [1])
        wire.writeImmutableBuffer(rawFrame(0xc2, [2]))
        wire.writeImmutableBuffer(rawFrame(0x82, [3]))
        try channel.writeInbound(wire)
        try channel.writeInbound(rawFrame(0x82, [4]))
        #expect(self.collector.bytes == [1])
        #expect(self.collector.errors.count == 1)
        #expect(try channel.sent() == ByteBuffer(bytes: [0x88, 2, 0x03, 0xea]))
    }

    @Test("A close is answered with its code, and then the server ends the connection")
    func peerCloses() throws {
        let channel = try self.channel(.server)
        try channel.writeInbound(rawFrame(0x88, [0x0b, 0xb8]))
        #expect(try channel.sent() == ByteBuffer(bytes: [0x88, 2, 0x0b, 0xb8]))
        #expect(!channel.isActive)
        #expect(throws: ChannelError.self) { try channel.writeOutbound(ByteBuffer(bytes: [1])) }
    }

    private final class Echo: WebSocketMessageReceiver {
        private var payload = ByteBuffer()

        func received(_ piece: ByteBuffer, isText: Bool, endsMessage: Bool) -> WebSocketMessage? {
            self.payload.writeImmutableBuffer(piece)
            guard endsMessage else { return nil }
            defer { self.payload.clear() }
            return WebSocketMessage(payload: self.payload, isText: isText)
        }
    }

    @Test("Who receives messages gets text as well, in pieces, and what it answers is sent", arguments: [Int.max, 1])
    func messages(step: Int) throws {
        let channel = EmbeddedChannel(handlers: [WebSocketHandler(side: .server, messages: Echo()), self.collector])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        var wire = rawFrame(0x01, Array("M\u{f6}".utf8.dropLast()))
        for frame in [rawFrame(0x89, [1]), rawFrame(0x80, [0xb6, 0x6e]), rawFrame(0x82), rawFrame(0x81, [0xff])] {
            wire.writeImmutableBuffer(frame)
        }
        while let piece = wire.readSlice(length: min(step, wire.readableBytes)), piece.readableBytes > 0 { try channel.writeInbound(piece) }
        let text = Array("M\u{f6}n".utf8)
        #expect(
            try channel.sent()
                == ByteBuffer(bytes: [0x8a, 1, 1, 0x81, UInt8(text.count)] + text + [0x82, 0] + [0x88, 2, 0x03, 0xef]))
        #expect(self.collector.bytes.isEmpty)
        #expect((self.collector.errors.first as? WebSocketError)?.code == .invalidText)
    }

    @Test("Closing says so, and waits for the answer, but not for ever")
    func weClose() throws {
        let answered = try self.channel(.server)
        var isClosed = false
        answered.close().assumeIsolated().whenSuccess { isClosed = true }
        #expect(try answered.sent() == ByteBuffer(bytes: [0x88, 2, 0x03, 0xe8]))
        #expect(answered.isActive)
        try answered.writeInbound(rawFrame(0x82, [1]))
        #expect(self.collector.bytes.isEmpty)
        try answered.writeInbound(rawFrame(0x88, [0x03, 0xe8]))
        #expect(isClosed && !answered.isActive)

        let silent = try self.channel(.client)
        isClosed = false
        silent.close().assumeIsolated().whenSuccess { isClosed = true }
        silent.embeddedEventLoop.advanceTime(by: WebSocketLimits.closing)
        #expect(isClosed && !silent.isActive)
    }

    @Test("Closing the output still delivers what the peer says before its own close")
    func halfClose() throws {
        let channel = try self.channel(.server)
        try channel.close(mode: .output).wait()
        try channel.writeInbound(rawFrame(0x82, [1]))
        #expect(self.collector.bytes == [1])
        try channel.writeInbound(rawFrame(0x88))
        #expect(!channel.isActive)
    }

    @Test("The handshake hands over to frames, with whatever came behind it", arguments: [Int.max, 1])
    func handOver(step: Int) throws {
        let client = EmbeddedChannel()
        let server = EmbeddedChannel()
        let (dialled, accepted) = (client.eventLoop.makePromise(of: Void.self), server.eventLoop.makePromise(of: Void.self))
        let (atClient, atServer) = (Collector(), Collector())
        dialled.futureResult.assumeIsolated().whenSuccess {
            try? client.pipeline.syncOperations.addHandler(atClient)
            client.writeAndFlush(ByteBuffer(bytes: [1, 2, 3]), promise: nil)
        }
        accepted.futureResult.assumeIsolated().whenSuccess {
            try? server.pipeline.syncOperations.addHandler(atServer)
            server.writeAndFlush(ByteBuffer(bytes: [4, 5]), promise: nil)
        }
        WebSocketDialing(request: WebSocketRequest(path: "/", host: "a", fields: [])).prepare(client, promise: dialled)
        WebSocketListening(terms: .init(), certificate: nil).prepare(server, promise: accepted)
        for channel in [client, server] { try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait() }
        for _ in 0..<4 {
            for (from, to) in [(client, server), (server, client)] {
                var wire = try from.sent()
                while let piece = wire.readSlice(length: min(step, wire.readableBytes)), piece.readableBytes > 0 {
                    try to.writeInbound(piece)
                }
            }
        }
        #expect(atServer.bytes == [1, 2, 3])
        #expect(atClient.bytes == [4, 5])
    }

    @Test("A handshake that fails says why, to the peer as well")
    func failedHandshake() throws {
        let channel = EmbeddedChannel()
        let promise = channel.eventLoop.makePromise(of: Void.self)
        WebSocketListening(terms: .init(), certificate: nil).prepare(channel, promise: promise)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        #expect(String(buffer: try channel.sent()).hasPrefix("HTTP/1.1 426 "))
        #expect(throws: TransportError(.negotiationFailed, "")) { try promise.futureResult.wait() }
        #expect(!channel.isActive)
    }
}
