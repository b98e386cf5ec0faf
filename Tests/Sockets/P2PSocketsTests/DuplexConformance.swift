import NIOCore
import P2PCore
import P2PProtocolTesting
import Testing

@testable import P2PSockets

/// What a connection and a peer's stream have in common.
protocol Duplex: Sendable {
    func next() async throws -> ByteBuffer?
    func send(_ bytes: ByteBuffer) async throws
    func finish() async throws
    func abort()
    /// Whether an error says that another task reads.
    static func isBusy(_ error: any Error) -> Bool
}

extension TCPSocket: Duplex {
    func next() async throws -> ByteBuffer? { try await self.read() }
    func send(_ bytes: ByteBuffer) async throws { try await self.write(bytes) }
    func finish() async throws { try await self.finishWriting() }
    func abort() { self.core.abort(SocketError(.closed, "aborted")) }
    static func isBusy(_ error: any Error) -> Bool { (error as? SocketError)?.code == .alreadyReading }
}

extension PeerStream: Duplex {
    func next() async throws -> ByteBuffer? { try await self.read() }
    func send(_ bytes: ByteBuffer) async throws { try await self.write(bytes) }
    func abort() { self.reset() }
    static func isBusy(_ error: any Error) -> Bool { (error as? StreamError)?.code == .busy }
}

/// Whatever carries bytes both ways keeps these, so that programs may be written for either.
@Suite("What sockets and streams have in common", .timeLimit(.minutes(1)))
struct DuplexConformance {
    enum Kind: CaseIterable {
        case socket, stream
    }

    /// Two ends of one connection, and what keeps it.
    private func pair(_ kind: Kind) async throws -> (any Duplex, any Duplex) {
        switch kind {
        case .stream:
            let pair = StreamPair()
            return (pair.dialer, pair.listener)
        case .socket:
            let server = try TCPServerSocket.listen("127.0.0.1")
            let port = try await server.opened.localPort
            let near = try TCPSocket.connect("127.0.0.1", port, options: .small)
            var connections = server.connections.makeAsyncIterator()
            return (near, try #require(try await connections.next()))
        }
    }

    private func readAll(_ end: any Duplex) async throws -> ByteBuffer {
        var all = ByteBuffer()
        while var piece = try await end.next() {
            #expect(piece.readableBytes > 0)
            all.writeBuffer(&piece)
        }
        return all
    }

    @Test("Bytes go both ways at once, in order", arguments: Kind.allCases)
    func bothWays(_ kind: Kind) async throws {
        let (near, far) = try await self.pair(kind)
        let (there, back) = (ByteBuffer.noise(1_000_000), ByteBuffer.noise(1_000_000))
        async let sendingThere: Void = {
            try await near.send(there)
            try await near.finish()
        }()
        async let sendingBack: Void = {
            try await far.send(back)
            try await far.finish()
        }()
        async let arrived = self.readAll(far)
        #expect(try await self.readAll(near) == back)
        #expect(try await arrived == there)
        try await sendingThere
        try await sendingBack
    }

    @Test("One side finishes, the other goes on; the end comes again and again", arguments: Kind.allCases)
    func halfClose(_ kind: Kind) async throws {
        let (near, far) = try await self.pair(kind)
        try await near.send(ByteBuffer(string: "request"))
        async let finishing: Void = near.finish()
        #expect(try await self.readAll(far) == ByteBuffer(string: "request"))
        #expect(try await far.next() == nil)
        try await finishing
        await #expect(throws: (any Error).self) { try await near.send(ByteBuffer(string: "more")) }
        try await far.send(ByteBuffer(string: "answer"))
        async let ending: Void = far.finish()
        #expect(try await self.readAll(near) == ByteBuffer(string: "answer"))
        #expect(try await near.next() == nil)
        try await ending
    }

    @Test("A second reader is told so; a cancelled read loses nothing", arguments: Kind.allCases)
    func readers(_ kind: Kind) async throws {
        let (near, far) = try await self.pair(kind)
        let first = Task {
            while true {
                // One of those below may have come before it.
                do { return try await near.next() } catch  where type(of: near).isBusy(error) {}
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        while true {
            let second = Task { try await near.next() }
            second.cancel()
            do { _ = try await second.value } catch  where type(of: near).isBusy(error) { break } catch {}
            try await Task.sleep(for: .milliseconds(2))
        }
        first.cancel()
        await #expect(throws: (any Error).self) { _ = try await first.value }
        try await far.send(ByteBuffer(string: "still whole"))
        #expect(try await near.next() == ByteBuffer(string: "still whole"))
    }

    @Test("An abort is an error there and here, not an end", arguments: Kind.allCases)
    func abort(_ kind: Kind) async throws {
        let (near, far) = try await self.pair(kind)
        try await near.send(ByteBuffer(string: "a"))
        #expect(try await far.next() == ByteBuffer(string: "a"))
        let waiting = Task { try await near.next() }
        near.abort()
        await #expect(throws: (any Error).self) { _ = try await waiting.value }
        await #expect(throws: (any Error).self) { while try await far.next() != nil {} }
        await #expect(throws: (any Error).self) { try await near.send(ByteBuffer(string: "b")) }
    }

    @Test("A writer waits for a slow reader, and loses nothing", arguments: Kind.allCases)
    func backPressure(_ kind: Kind) async throws {
        let (near, far) = try await self.pair(kind)
        let data = ByteBuffer.noise(3 * 1_024 * 1_024)
        let writing = Task {
            try await near.send(data)
            try await near.send(ByteBuffer(string: "!"))
            try await near.finish()
            return true
        }
        try await Task.sleep(for: .milliseconds(200))
        var all = try await self.readAll(far)
        #expect(all.readSlice(length: data.readableBytes) == data)
        #expect(all == ByteBuffer(string: "!"))
        #expect(try await writing.value)
    }
}
