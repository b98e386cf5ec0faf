import NIOCore
import P2PCore
import P2PHTTPHead
import P2PMultiaddr
import P2PWebTLS
import Testing

@testable import P2PWebSocket

private func head(_ text: String, step: Int = .max) throws -> HTTPHead? {
    var (reader, rest) = (HTTPHeadReader(), ByteBuffer(string: text))
    while var piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
        if let head = try reader.next(from: &piece) { return head }
    }
    return nil
}

@Suite("WebSocket handshakes")
struct HandshakeTests {
    /// RFC 6455, section 1.2.
    private static let request = """
        GET /chat HTTP/1.1\r
        Host: server.example.com\r
        Upgrade: websocket\r
        Connection: keep-alive, Upgrade\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Origin: http://example.com\r
        Sec-WebSocket-Protocol: chat, superchat\r
        Sec-WebSocket-Extensions: permessage-deflate\r
        Sec-WebSocket-Version: 13\r
        \r

        """

    private func answer(_ text: String, _ terms: WebSocketAnswer.Terms = .init()) throws -> (status: String, body: String) {
        let request = try #require(try head(text))
        switch WebSocketAnswer(to: request, terms: terms) {
        case .accept(let bytes): return ("101", String(buffer: bytes))
        case .refuse(let bytes, _):
            let text = String(buffer: bytes)
            return (String(text.dropFirst("HTTP/1.1 ".count).prefix(3)), text)
        }
    }

    @Test("The example of the RFC is accepted, without the compression that it offers", arguments: [Int.max, 1])
    func example(step: Int) throws {
        let request = try #require(try head(Self.request, step: step))
        guard case .accept(let bytes) = WebSocketAnswer(to: request, terms: .init()) else {
            Issue.record("refused")
            return
        }
        let text = String(buffer: bytes)
        #expect(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
        #expect(!text.contains("Extensions"))
        #expect(!text.contains("Protocol:"))
    }

    @Test("Our own request is accepted by our own server, and its answer by the client")
    func ourselves() throws {
        let fields = [try #require(WebSocketHeaderField("X-App", "1"))]
        let request = WebSocketRequest(path: "/a/b", host: "example.com:8080", fields: fields)
        let parsed = try #require(try head(String(buffer: request.bytes)))
        #expect(parsed.single("host") == "example.com:8080")
        #expect(parsed.single("x-app") == "1")
        #expect(parsed.values("sec-websocket-extensions").isEmpty)
        guard case .accept(let bytes) = WebSocketAnswer(to: parsed, terms: .init(path: "/a/b")) else {
            Issue.record("refused")
            return
        }
        try request.check(try #require(try head(String(buffer: bytes))))
    }

    @Test(
        "Each thing that must be there is asked for",
        arguments: [
            ("GET", "POST", "405"),
            ("HTTP/1.1", "HTTP/1.0", "400"),
            ("Host: server.example.com\r\n", "", "400"),
            ("Host: server.example.com\r\n", "Host: a\r\nHost: b\r\n", "400"),
            ("Upgrade: websocket", "Upgrade: h2c", "426"),
            ("keep-alive, Upgrade", "keep-alive", "426"),
            ("Version: 13", "Version: 8", "426"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", "400"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "!!!!!!!!!!!!!!!!!!!!!!==", "400"),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Kex", "400"),
            ("Origin", "Content-Length: 4\r\nOrigin", "400"),
            ("Origin", "Transfer-Encoding: chunked\r\nOrigin", "400"),
        ])
    func refused(part: String, instead: String, status: String) throws {
        let answer = try self.answer(Self.request.replacing(part, with: instead))
        #expect(answer.status == status)
        #expect(answer.body.contains("Connection: "))
    }

    @Test("Paths and origins are checked when asked to")
    func terms() throws {
        #expect(try self.answer(Self.request, .init(path: "/chat")).status == "101")
        #expect(try self.answer(Self.request.replacing("/chat", with: "/chat?x=1"), .init(path: "/chat")).status == "101")
        #expect(try self.answer(Self.request, .init(path: "/")).status == "404")
        for path in ["/%63hat", "/chat", "/ch%61%74"] {
            #expect(try self.answer(Self.request, .init(path: path)).status == "101")
        }
        for (target, path) in [("/a:b%20c", "/a%3Ab%20c"), ("/a%2fb", "/a/b"), ("/%C3%BC?%zz", "/%c3%bc"), ("/x", "/%78")] {
            #expect(try self.answer(Self.request.replacing("/chat", with: target), .init(path: path)).status == "101", "\(target)")
        }
        for (target, path) in [("/%zz", "/%zz"), ("/%+5", "/%05"), ("/a%252Fb", "/a/b"), ("/chat%3Fx=1", "/chat"), ("/chat%", "/chat")] {
            #expect(try self.answer(Self.request.replacing("/chat", with: target), .init(path: path)).status == "404", "\(target)")
        }
        #expect(try self.answer(Self.request, .init(origins: ["http://example.com"])).status == "101")
        #expect(try self.answer(Self.request, .init(origins: ["https://example.com"])).status == "403")
        #expect(try self.answer(Self.request.replacing("Origin", with: "X-Origin"), .init(origins: [])).status == "101")
    }

    @Test(
        "A server that does not prove that it speaks WebSocket is refused",
        arguments: [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "HTTP/1.0 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "220 smtp\r\n\r\n",
        ])
    func badServers(text: String) throws {
        let request = WebSocketRequest(path: "/", host: "a", fields: [])
        let response = try #require(try head(text))
        #expect(throws: WebSocketError.self) { try request.check(response) }
    }

    @Test("An extension that was not offered is refused")
    func unofferedExtension() throws {
        let request = WebSocketRequest(path: "/", host: "a", fields: [])
        let parsed = try #require(try head(String(buffer: request.bytes)))
        guard case .accept(let bytes) = WebSocketAnswer(to: parsed, terms: .init()) else { return }
        let text = String(buffer: bytes)
        for field in ["Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: x"] {
            let response = try #require(try head(text.replacing("Upgrade: websocket", with: "Upgrade: websocket\r\n\(field)")))
            #expect(throws: WebSocketError.self) { try request.check(response) }
        }
    }

    @Test("A head that breaks the grammar is refused as such")
    func malformed() {
        #expect(throws: WebSocketError(.malformedHead, "")) { try head("GET / HTTP/1.1\r\nno colon\r\n\r\n") }
        #expect(throws: WebSocketError(.malformedHead, "")) {
            var (reader, bytes) = (HTTPResponseReader(), ByteBuffer(string: "HTTP/1.1 200 OK\n"))
            _ = try reader.next(from: &bytes)
        }
    }

    @Test("Fields that could end the head are not made")
    func fields() {
        #expect(WebSocketHeaderField("X-A", "b") != nil)
        for (name, value) in [("", "b"), ("X A", "b"), ("X:", "b"), ("X", "b\r\nY: c"), ("X", "b\n"), ("X\r\n", "b")] {
            #expect(WebSocketHeaderField(name, value) == nil)
        }
    }
}

@Suite("WebSocket addresses")
struct WebSocketAddressTests {
    @Test(
        "The forms of an address",
        arguments: [
            ("/ip4/1.2.3.4/tcp/80/ws", "/ip4/1.2.3.4/tcp/80", false, "1.2.3.4", "/", nil),
            ("/ip4/1.2.3.4/tcp/8080/ws", "/ip4/1.2.3.4/tcp/8080", false, "1.2.3.4:8080", "/", nil),
            ("/ip6/::1/tcp/8080/ws", "/ip6/::1/tcp/8080", false, "[::1]:8080", "/", nil),
            ("/dns4/example.com/ws", "/dns4/example.com/tcp/80", false, "example.com", "/", nil),
            ("/dns/example.com/wss", "/dns/example.com/tcp/443", true, "example.com", "/", "example.com"),
            ("/dns/example.com/tcp/444/tls/ws", "/dns/example.com/tcp/444", true, "example.com:444", "/", "example.com"),
            ("/ip4/1.2.3.4/tcp/443/tls/ws", "/ip4/1.2.3.4/tcp/443", true, "1.2.3.4", "/", "1.2.3.4"),
            ("/ip4/1.2.3.4/tcp/443/tls/sni/a.example/ws", "/ip4/1.2.3.4/tcp/443", true, "a.example", "/", "a.example"),
            ("/ip4/1.2.3.4/tcp/80/ws/http-path/a%2Fb", "/ip4/1.2.3.4/tcp/80", false, "1.2.3.4", "/a/b", nil),
        ] as [(String, String, Bool, String, String, String?)])
    func forms(text: String, base: String, isSecure: Bool, host: String, path: String, server: String?) throws {
        let peer = "/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
        for text in [text, text + peer] {
            let address = try #require(WebSocketAddress(try Multiaddr(text)))
            #expect(address.base == (try Multiaddr(base)))
            #expect(address.isSecure == isSecure)
            #expect(address.host == host)
            #expect((address.path ?? "/") == path)
            #expect(address.serverIdentity?.description == server)
        }
    }

    @Test(
        "Others are not for WebSockets",
        arguments: [
            "/ip4/1.2.3.4/tcp/80", "/ws", "/ip4/1.2.3.4/tcp/80/tls", "/ip4/1.2.3.4/tcp/80/tls/http", "/ip4/1.2.3.4/tcp/80/ws/ws",
            "/ip4/1.2.3.4/tcp/80/tls/sni/a/wss", "/ip4/1.2.3.4/tcp/80/ws/p2p-circuit",
        ])
    func others(text: String) throws {
        #expect(WebSocketAddress(try Multiaddr(text)) == nil)
    }
}
