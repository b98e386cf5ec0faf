import NIOCore
import P2PPortMapping
import P2PSockets
import P2PWebSocket
import P2PWebSocketListener
import Testing

@Suite("A listener of WebSockets, with a Python program at the other end", .timeLimit(.minutes(2)))
struct WebSocketListenerTests {
    @Test("A port of the system's choice; connections come open, bytes go both ways, and the end is nil, again and again")
    func echo() async throws {
        var options = WebSocketListenerOptions()
        options.path = "/chat"
        options.subprotocol = "binary"
        let listener = try WebSocketListener.listen("127.0.0.1", -1, options: options)
        #expect(listener.readyState <= .open)
        let endpoints = try await listener.opened
        #expect(listener.readyState == .open)
        #expect(endpoints.localAddress == "127.0.0.1" && listener.localPort == endpoints.localPort)
        let peer = try PythonPeer("websocket", "\(endpoints.localPort)", "/chat?x", "300000")
        var connections = listener.connections.makeAsyncIterator()
        let socket = try #require(try await connections.next(isolation: nil))
        #expect(socket.readyState == .open && socket.target == "/chat?x" && socket.hasSubprotocol)
        let reading = Task { try await socket.read() }
        try await socket.write(try #require(try await reading.value))
        while let bytes = try await socket.read() { try await socket.write(bytes) }
        #expect(try await socket.read() == nil)
        #expect(try await peer.line() == ["protocol": .text("binary"), "same": .flag(true)])
        try await socket.closed
        #expect(socket.readyState == .closed)
        await #expect(throws: SocketError(.closed, "")) { try await socket.write(ByteBuffer(string: "late")) }
        listener.close()
        #expect(try await connections.next(isolation: nil) == nil)
        try await listener.closed
        #expect(listener.readyState == .closed)
    }

    @Test("Another path, another origin, and what is no WebSocket are refused, exactly")
    func refusals() async throws {
        var options = WebSocketListenerOptions()
        options.path = "/chat"
        options.origins = ["https://pages.example"]
        let listener = try WebSocketListener.listen("127.0.0.1", options: options)
        let port = try await listener.opened.localPort
        for (path, fields, status) in [
            ("/other", "", "404"), ("/chat", "Origin: https://evil.example", "403"), ("/chat", "-", "426"),
            ("/chat", "Origin: https://pages.example", "101"), ("/chat", "", "101"),
        ] {
            let peer = try PythonPeer("websocket_status", "\(port)", path, fields)
            #expect(try await peer.text("status") == status, "\(path) \(fields)")
        }
    }

    @Test("What was written goes before the end, to a slow reader, too")
    func closing() async throws {
        let listener = try WebSocketListener.listen("127.0.0.1")
        let peer = try PythonPeer("websocket_drain", "\(try await listener.opened.localPort)")
        var connections = listener.connections.makeAsyncIterator()
        let socket = try #require(try await connections.next(isolation: nil))
        let piece = ByteBuffer(repeating: 7, count: 100_000)
        for _ in 0..<40 { try await socket.write(piece) }
        socket.close()
        #expect(try await peer.line() == ["bytes": .number(4_000_000), "closed": .flag(true)])
        try await socket.closed
    }

    @Test("A port in use, and what makes no sense")
    func errors() async throws {
        let first = try WebSocketListener.listen("127.0.0.1")
        let second = try WebSocketListener.listen("127.0.0.1", try await first.opened.localPort)
        await #expect(throws: SocketError(.addressInUse, "")) { _ = try await second.opened }
        await #expect(throws: SocketError(.addressInUse, "")) { try await second.closed }
        #expect(second.readyState == .closed)
        for (address, port) in [("localhost", nil), ("127.0.0.1", 0), ("127.0.0.1", 70_000), ("127.0.0.1", -2)] as [(String, Int?)] {
            #expect(throws: SocketError(.invalidArgument, "")) { _ = try WebSocketListener.listen(address, port) }
        }
    }

    @Test("One iterator; one that goes away closes the listener, and a cancelled one as well")
    func iterators() async throws {
        let listener = try WebSocketListener.listen("127.0.0.1")
        _ = try await listener.opened
        do {
            let first = listener.connections.makeAsyncIterator()
            var second = listener.connections.makeAsyncIterator()
            await #expect(throws: SocketError(.invalidState, "")) { _ = try await second.next(isolation: nil) }
            _ = first
        }
        try await listener.closed
        let other = try WebSocketListener.listen("127.0.0.1")
        _ = try await other.opened
        let iterating = Task { for try await _ in other.connections {} }
        iterating.cancel()
        try await iterating.value
        try await other.closed
    }

    @Test("A client that leaves without a word, and that nobody reads or writes to, is gone")
    func leaving() async throws {
        var options = WebSocketListenerOptions()
        options.limits.idle = nil
        let listener = try WebSocketListener.listen("127.0.0.1", options: options)
        let port = "\(try await listener.opened.localPort)"
        var connections = listener.connections.makeAsyncIterator()
        let peer = try PythonPeer("websocket_first", port)
        let socket = try #require(try await connections.next(isolation: nil))
        try await socket.write(ByteBuffer(string: "go"))
        #expect(try await peer.text("protocol") == "none")
        try await socket.closed
        #expect(socket.readyState == .closed)
        #expect(try await socket.read() == nil)
    }

    @Test("What breaks the rules is an error to the reader, and of the end")
    func breaking() async throws {
        let listener = try WebSocketListener.listen("127.0.0.1")
        let peer = try PythonPeer("websocket_unmasked", "\(try await listener.opened.localPort)")
        var connections = listener.connections.makeAsyncIterator()
        let socket = try #require(try await connections.next(isolation: nil))
        // Of two readers one is refused, and the other is there before anything breaks.
        await withTaskGroup(of: SocketError?.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    do throws(SocketError) {
                        _ = try await socket.read()
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            #expect(await group.next() == SocketError(.alreadyReading, ""))
            await #expect(throws: Never.self) { try await socket.write(ByteBuffer(string: "go")) }
            #expect(await group.next() == SocketError(.reset, ""))
        }
        await #expect(throws: SocketError(.reset, "")) { try await socket.closed }
        #expect(try await socket.read() == nil)
        #expect(try await peer.line() == ["closed": .flag(true)])
    }

    @Test("A sub-protocol is found among others, with any space around it")
    func subprotocols() async throws {
        var options = WebSocketListenerOptions()
        options.subprotocol = "binary"
        let listener = try WebSocketListener.listen("127.0.0.1", options: options)
        let port = "\(try await listener.opened.localPort)"
        var connections = listener.connections.makeAsyncIterator()
        for (offered, isAgreed) in [("a,\tbinary \t, b", true), ("binary ,a", true), ("binaries, BINARY", false)] {
            let peer = try PythonPeer("websocket_first", port, "Sec-WebSocket-Protocol: \(offered)")
            let socket = try #require(try await connections.next(isolation: nil))
            #expect(socket.hasSubprotocol == isAgreed, "\(offered)")
            try await socket.write(ByteBuffer(string: "go"))
            #expect(try await peer.text("protocol") == (isAgreed ? "binary" : "none"), "\(offered)")
        }
    }

    @Test("What has become of a mapping is told where one was wished for")
    func mapping() async throws {
        var options = WebSocketListenerOptions()
        options.mapping = .init()
        #expect(try WebSocketListener.listen("127.0.0.1", options: options).mapping != nil)
        #expect(try WebSocketListener.listen("127.0.0.1").mapping == nil)
    }
}
