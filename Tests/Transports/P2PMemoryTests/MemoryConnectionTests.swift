import NIOCore
import P2PCore
import P2PIdentity
import P2PMemory
import P2PMultiaddr
import Testing

@Suite("MemoryConnection")
struct MemoryConnectionTests {
    private func pair(
        _ configuration: MemoryConfiguration = MemoryConfiguration()
    ) throws -> (dialer: MemoryConnection, listener: MemoryConnection) {
        MemoryConnection.pair(
            dialer: MemoryPeer(key: try PrivateKey.generate(.ed25519).publicKey, address: Multiaddr("/memory/1"), appMetadata: [1]),
            listener: MemoryPeer(key: try PrivateKey.generate(.ed25519).publicKey, address: Multiaddr("/memory/2")),
            configuration: configuration)
    }

    private func next(_ connection: MemoryConnection) async throws -> PeerStream {
        var streams = connection.inboundStreams.makeAsyncIterator()
        return try #require(try await streams.next())
    }

    @Test("Each side knows the other")
    func info() throws {
        let (dialer, listener) = try self.pair()
        #expect(dialer.info.remotePeer == listener.info.localPeer && listener.info.remotePeer == dialer.info.localPeer)
        #expect(dialer.info.role == .dialer && listener.info.role == .listener)
        #expect("\(dialer.info.remoteAddress)" == "/memory/2" && "\(listener.info.remoteAddress)" == "/memory/1")
        #expect(listener.info.appMetadata == [1] && dialer.info.appMetadata == nil)
    }

    @Test("A stream appears at the far end with its first bytes, and not before")
    func firstBytes() async throws {
        let (dialer, listener) = try self.pair()
        let unused = try await dialer.openStream()
        let used = try await dialer.openStream()
        try await used.write(text: "hello")
        let arrived = try await self.next(listener)
        #expect(try await arrived.readBytes() == Array("hello".utf8))
        #expect(dialer.traffic == ConnectionTraffic(bytesIn: 0, bytesOut: 5, streams: 2))
        #expect(listener.traffic == ConnectionTraffic(bytesIn: 5, bytesOut: 0, streams: 2))
        unused.reset()
        #expect(dialer.traffic.streams == 1)
    }

    @Test("No more than a window is on its way until the reader consumes")
    func window() async throws {
        let (dialer, listener) = try self.pair(MemoryConfiguration(window: 1_000))
        let stream = try await dialer.openStream()
        try await stream.write(bytes: [UInt8](repeating: 0, count: 5_000))
        let arrived = try await self.next(listener)
        #expect(dialer.traffic.bytesOut == 1_000)
        _ = try await arrived.readExactly(499)
        #expect(dialer.traffic.bytesOut == 1_000)
        _ = try await arrived.readExactly(1)
        #expect(dialer.traffic.bytesOut == 1_500)
        _ = try await arrived.readExactly(4_500)
        #expect(dialer.traffic.bytesOut == 5_000)
    }

    @Test("A stream leaves the table when both sides have finished")
    func finishing() async throws {
        let (dialer, listener) = try self.pair()
        let stream = try await dialer.openStream()
        try await stream.write(text: "a")
        try await stream.finish()
        let arrived = try await self.next(listener)
        #expect(try await arrived.readToEnd(upTo: 1) == Array("a".utf8))
        #expect(dialer.traffic.streams == 1)
        try await arrived.finish()
        #expect(try await stream.read() == nil)
        #expect(dialer.traffic.streams == 0)
    }

    @Test("A full backlog resets the stream, and the limit on streams refuses it")
    func limits() async throws {
        let (dialer, _) = try self.pair(MemoryConfiguration(backlog: 1, streamLimit: 2))
        let first = try await dialer.openStream()
        try await first.write(text: "x")
        let second = try await dialer.openStream()
        await #expect(throws: ConnectionError(.resourceLimit, "")) { try await dialer.openStream() }
        _ = try? await second.write(text: "x")
        do {
            _ = try await second.read()
            Issue.record("the stream should have been refused")
        } catch {
            #expect(error.code == .reset && error.resetCode == .resourceLimitExceeded)
        }
        _ = try await dialer.openStream()
        withExtendedLifetime(first) {}
    }

    @Test("A connection that is closed at once drops its streams, and says to both sides why")
    func close() async throws {
        let (dialer, listener) = try self.pair()
        let stream = try await dialer.openStream()
        try await stream.write(text: "x")
        let arrived = try await self.next(listener)
        await dialer.close(.shutdown, grace: .zero)
        await #expect(throws: StreamError(.connectionLost, "")) { try await stream.read() }
        #expect(try await arrived.readBytes() == Array("x".utf8))
        await #expect(throws: StreamError(.connectionLost, "")) { try await arrived.read() }
        await #expect(throws: ConnectionError(.closed, "")) { try await dialer.openStream() }
        await #expect(throws: ConnectionError(.closedByPeer, "")) { try await listener.openStream() }
        for try await _ in dialer.inboundStreams { Issue.record("there is no stream") }
        await #expect(throws: ConnectionError(.closedByPeer, "")) { try await self.next(listener) }
        await dialer.close(.normal, grace: .seconds(60))
    }

    @Test("With grace, streams that live may end, new ones are refused, and close returns with the last", .timeLimit(.minutes(1)))
    func grace() async throws {
        let (dialer, listener) = try self.pair()
        let stream = try await dialer.openStream()
        try await stream.write(text: "x")
        let arrived = try await self.next(listener)
        let closing = Task { await listener.close(.shutdown, grace: .seconds(600)) }
        while true {
            do { _ = try await dialer.openStream() } catch {
                #expect(error == ConnectionError(.goingAway, ""))
                break
            }
            await Task.yield()
        }
        await #expect(throws: ConnectionError(.closed, "")) { try await listener.openStream() }
        #expect(try await arrived.readBytes() == Array("x".utf8))
        try await arrived.finish()
        #expect(try await stream.read() == nil)
        try await stream.finish()
        await closing.value
        await #expect(throws: ConnectionError(.closedByPeer, "")) { try await self.next(dialer) }
    }

    @Test("A severed connection is lost for both sides")
    func sever() async throws {
        let (dialer, listener) = try self.pair()
        let stream = try await dialer.openStream()
        dialer.sever()
        await #expect(throws: StreamError(.connectionLost, "")) { try await stream.write(text: "x") }
        await #expect(throws: ConnectionError(.lost, "")) { try await self.next(dialer) }
        await #expect(throws: ConnectionError(.lost, "")) { try await self.next(listener) }
        await #expect(throws: ConnectionError(.lost, "")) { try await listener.openStream() }
    }

    @Test("Many writers and readers on many threads lose and reorder nothing", .timeLimit(.minutes(1)))
    func stress() async throws {
        let (dialer, listener) = try self.pair(MemoryConfiguration(window: 3_000))
        let streams = 16
        let body = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask {
                try await withThrowingDiscardingTaskGroup { echoes in
                    var inbound = listener.inboundStreams.makeAsyncIterator()
                    for _ in 0..<streams {
                        let stream = try #require(try await inbound.next())
                        echoes.addTask {
                            while let bytes = try await stream.read() { try await stream.write(bytes) }
                            try await stream.finish()
                        }
                    }
                }
            }
            for _ in 0..<streams {
                group.addTask {
                    let stream = try await dialer.openStream()
                    async let sent: Void = {
                        var rest = ByteBuffer(bytes: body)
                        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(1_777, rest.readableBytes)) {
                            try await stream.write(piece)
                        }
                        try await stream.finish()
                    }()
                    #expect(try await stream.readToEnd(upTo: body.count) == body)
                    try await sent
                }
            }
        }
        #expect(dialer.traffic == ConnectionTraffic(bytesIn: 3_200_000, bytesOut: 3_200_000, streams: 0))
    }
}
