import NIOCore
import Testing

@testable import P2PSockets

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Each row of what a listener promises, with other programs that dial.
@Suite("TCP server sockets", .timeLimit(.minutes(2)))
struct TCPServerSocketTests {
    @Test("A port of the system's choice, asked for by nil or by -1, and connections that are open when they come")
    func serves() async throws {
        let server = try TCPServerSocket.listen("127.0.0.1", -1, backlog: -1)
        let port = try await server.opened.localPort
        #expect(port > 0 && server.localPort == port && server.localAddress == "127.0.0.1" && server.readyState == .open)
        let client = try PythonPeer("dial", "\(port)")
        for try await socket in server.connections {
            #expect(socket.readyState == .open && socket.address == "127.0.0.1" && socket.localPort == port)
            #expect(try await socket.opened.remotePort == socket.port)
            var text = ""
            while let piece = try await socket.read() { text += String(buffer: piece) }
            #expect(text == "hello from python\n")
            try await socket.write(ByteBuffer(string: "and hello back"))
            try await socket.close()
            break
        }
        #expect(try await client.line()["bytes"] == .number(14))
        // The iterator is gone, and so is the listener.
        try await server.closed
        #expect(server.readyState == .closed)
    }

    @Test("IPv6, with IPv4 on the same port or without")
    func families() async throws {
        let both = try TCPServerSocket.listen("::")
        let port = try await both.opened.localPort
        let mapped = try PythonPeer("dial", "\(port)")
        var connections = both.connections.makeAsyncIterator()
        try await connections.next()?.close()
        #expect(try await mapped.line()["end"] == .text("eof"))
        var options = TCPServerOptions()
        options.ipv6Only = true
        let six = try TCPServerSocket.listen("::", options: options)
        let sixPort = try await six.opened.localPort
        await #expect(throws: SocketError(.refused, "")) { _ = try await TCPSocket.connect("127.0.0.1", sixPort).opened }
        let dialed = try TCPSocket.connect("::1", sixPort)
        #expect(try await dialed.opened.remoteAddress == "::1")
    }

    @Test("A port in use, and an address that is not here")
    func inUse() async throws {
        let first = try TCPServerSocket.listen("127.0.0.1")
        let port = try await first.opened.localPort
        let second = try TCPServerSocket.listen("127.0.0.1", port)
        let error = await #expect(throws: SocketError.self) { _ = try await second.opened }
        #expect(error?.code == .addressInUse && error?.errno != nil && error?.kind == .network)
        await #expect(throws: SocketError(.addressInUse, "")) { try await second.closed }
        var connections = second.connections.makeAsyncIterator()
        await #expect(throws: SocketError(.addressInUse, "")) { _ = try await connections.next() }
        let elsewhere = try TCPServerSocket.listen("192.0.2.1")
        await #expect(throws: SocketError(.unreachable, "")) { _ = try await elsewhere.opened }
        first.close()
        try await first.closed
        #expect(try await TCPServerSocket.listen("127.0.0.1", port).opened.localPort == port)
    }

    @Test("What makes no sense is refused before anything is bound")
    func arguments() {
        let invalid = SocketError(.invalidArgument, "")
        #expect(throws: invalid) { try TCPServerSocket.listen("127.0.0.1", 0) }
        #expect(throws: invalid) { try TCPServerSocket.listen("127.0.0.1", 65_536) }
        #expect(throws: invalid) { try TCPServerSocket.listen("localhost", 3_030) }
        #expect(throws: invalid) { try TCPServerSocket.listen("127.0.0.1", 3_030, backlog: 0) }
        var options = TCPServerOptions()
        options.ipv6Only = true
        #expect(throws: invalid) { try TCPServerSocket.listen("127.0.0.1", options: options) }
        #expect(throws: invalid) { try TCPServerSocket.listen("::1", options: options) }
    }

    @Test("A hundred come and nobody asks: one is accepted; when it is closed that one is reset, and so is the backlog")
    func lookAhead() async throws {
        let server = try TCPServerSocket.listen("127.0.0.1")
        let port = try await server.opened.localPort
        let clients = try PythonPeer("dialers", "\(port)", "100")
        #expect(try await clients.number("connected") == 100)
        try await until { server.core.acceptedCount > 0 }
        #expect(server.core.acceptedCount == SocketLimits.acceptAhead)
        server.close()
        try await server.closed
        clients.tell()
        #expect(try await clients.number("reset") == 100)
    }

    @Test("A hundred come and all are served; those that were handed out outlive the listener")
    func servesAll() async throws {
        let server = try TCPServerSocket.listen("127.0.0.1")
        let port = try await server.opened.localPort
        let clients = try PythonPeer("dialers", "\(port)", "100")
        #expect(try await clients.number("connected") == 100)
        var sockets: [TCPSocket] = []
        var connections = server.connections.makeAsyncIterator()
        for _ in 0..<100 { sockets.append(try #require(try await connections.next())) }
        server.close()
        #expect(try await connections.next() == nil)
        #expect(try await connections.next() == nil)
        for socket in sockets { try await socket.write(ByteBuffer(string: "served")) }
        clients.tell()
        #expect(try await clients.number("served") == 100)
    }

    @Test("One iterator: a second one is told so, and the first goes on")
    func oneIterator() async throws {
        let server = try TCPServerSocket.listen("127.0.0.1")
        let port = try await server.opened.localPort
        var first = server.connections.makeAsyncIterator()
        do {
            var second = server.connections.makeAsyncIterator()
            await #expect(throws: SocketError(.invalidState, "")) { _ = try await second.next() }
        }
        let client = try TCPSocket.connect("127.0.0.1", port)
        #expect(try await first.next() != nil)
        client.closeImmediately()
    }

    @Test("A cancelled iteration ends with nil, and closes the listener")
    func cancelled() async throws {
        let server = try TCPServerSocket.listen("127.0.0.1")
        let port = try await server.opened.localPort
        let iterating = Task {
            for try await _ in server.connections {}
            return true
        }
        _ = try await TCPSocket.connect("127.0.0.1", port).opened
        iterating.cancel()
        #expect(try await iterating.value)
        try await server.closed
        await #expect(throws: SocketError(.refused, "")) { _ = try await TCPSocket.connect("127.0.0.1", port).opened }
    }

    @Test("Who is gone before it is accepted hurts nobody")
    func goneBefore() async throws {
        let server = try TCPServerSocket.listen("127.0.0.1")
        let port = try await server.opened.localPort
        for _ in 0..<20 {
            let client = try TCPSocket.connect("127.0.0.1", port)
            _ = try await client.opened
            client.core.abort(SocketError(.closed, "resets"))
            try? await client.closed
        }
        let last = try PythonPeer("dial", "\(port)")
        // The others may come as connections that are reset.
        for try await socket in server.connections {
            guard let piece = try? await socket.read() else { continue }
            #expect(piece == ByteBuffer(string: "hello from python\n"))
            try await socket.close()
            break
        }
        #expect(try await last.line()["end"] == .text("eof"))
    }

    @Test("Running out of descriptors is survived: it pauses, and goes on")
    func outOfDescriptors() async throws {
        let server = try TCPServerSocket.listen("127.0.0.1")
        let port = try await server.opened.localPort
        let channel = try #require(server.core.server)
        let isAccepting = try await channel.eventLoop.submit {
            channel.pipeline.fireErrorCaught(IOError(errnoCode: EMFILE, reason: "accept"))
            return try channel.syncOptions?.getOption(.autoRead)
        }.get()
        #expect(isAccepting == false)
        let client = try PythonPeer("dial", "\(port)")
        var connections = server.connections.makeAsyncIterator()
        let socket = try #require(try await connections.next())
        #expect(try await socket.read() == ByteBuffer(string: "hello from python\n"))
        try await socket.close()
        #expect(try await client.line()["end"] == .text("eof"))
        #expect(server.readyState == .open)
    }
}
