import Logging
import NIOCore
import NIOPosix
import P2PCore
import P2PHTTPHead
import P2PMultiaddr
import P2PPipeline
import P2PTCP
import P2PWebTLS
import Synchronization
import Testing

@testable import P2PWebSocket

@Suite("One port for all")
struct WebListenerTests {
    private static let multistream = "\u{13}/multistream/1.0.0\n"

    private func kind(_ bytes: [UInt8], _ kinds: PortKinds, step: Int) throws -> PortKind? {
        var (classifier, rest) = (PortClassifier(kinds), ByteBuffer(bytes: bytes))
        while let piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
            if let kind = try classifier.received(piece) { return kind }
        }
        return nil
    }

    @Test("The first bytes tell what a connection is", arguments: [Int.max, 1])
    func kinds(step: Int) throws {
        let all: PortKinds = [.libp2p, .tls, .http]
        #expect(try self.kind(Array(Self.multistream.utf8), all, step: step) == .libp2p)
        #expect(try self.kind([0x16, 0x03, 0x01, 0x02, 0x00, 0x01], all, step: step) == .tls)
        guard case .http(let head)? = try self.kind(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\nrest".utf8), all, step: step) else {
            Issue.record("a request is HTTP")
            return
        }
        #expect(head.startLine == "GET / HTTP/1.1")
        #expect(try self.kind(Array("\u{13}/multi".utf8), all, step: step) == nil)
        for (bytes, kinds) in [
            ([0x00], all), (Array("\u{13}/other/1.0.0\n".utf8), all), ([0x16, 0x04], all), (Array("get /".utf8), all),
            (Array(Self.multistream.utf8), .http), ([0x16, 0x03], [.http, .libp2p]), (Array("GET".utf8), .libp2p),
        ] as [([UInt8], PortKinds)] {
            #expect(throws: WebSocketError.self) { try self.kind(bytes, kinds, step: step) }
        }
    }

    private struct App: WebHandler {
        func reply(to request: WebRequest) async -> WebReply? {
            let echo: @Sendable (WebByteStream) async throws -> Void = { stream in
                for try await bytes in stream.inbound { try await stream.outbound.write(bytes) }
            }
            switch request.path {
            case "/hello":
                return .response(
                    status: 200, fields: [WebSocketHeaderField("X-Method", request.method)].compactMap { $0 }, content: request.content)
            case "/echo": return .webSocket(body: echo)
            case "/raw": return WebSocketHeaderField.Token("echo/1").map { .upgrade(to: $0, body: echo) }
            default: return nil
            }
        }
    }

    /// Runs an arrival's preparations and returns its first bytes.
    private func firstBytes(of bytes: ByteChannel, count: Int) async throws -> String {
        try await prepared(bytes).executeThenClose { inbound, _ in
            var text = ""
            for try await bytes in inbound {
                text += String(buffer: bytes)
                if text.utf8.count >= count { break }
            }
            return text
        }
    }

    /// Dials libp2p's WebSocket; it must arrive as one.
    private func reach(_ address: Multiaddr, over transport: WebSocketTransport, _ arrivals: Inbox<ByteChannel, Never>) async throws {
        let dialled = try await transport.connect(to: address, options: DialOptions(deadline: .now() + .seconds(10)))
        async let ended = self.firstBytes(of: dialled, count: 1)
        let arrival = try #require(await arrivals.next())
        #expect(arrival.localAddress == address)
        #expect(arrival.remoteAddress == dialled.localAddress)
        try? await arrival.channel.close()
        _ = try? await ended
    }

    @Test("Raw libp2p arrives with its first bytes, and a WebSocket as one; both are announced")
    func libp2p() async throws {
        try await withPort(nil) { addresses, arrivals in
            #expect(addresses.count == 2)
            #expect(addresses[1] == (try addresses[0].appending(.ws)))
            let options = DialOptions(deadline: .now() + .seconds(10))

            let raw = try await TCPTransport().connect(to: addresses[0], options: options)
            try await raw.channel.writeAndFlush(ByteBuffer(string: Self.multistream + "more"))
            let arrival = try #require(await arrivals.next())
            #expect(arrival.localAddress == addresses[0])
            #expect(try await self.firstBytes(of: arrival, count: 24) == Self.multistream + "more")
            try? await raw.channel.close()

            try await self.reach(addresses[1], over: WebSocketTransport(over: TCPTransport()), arrivals)
        }
    }

    @Test("Whoever is not libp2p gets 404 where there is no application")
    func notFound() async throws {
        try await withPort(nil) { addresses, _ in
            let answer = try await ask(addresses[0], "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 404 "))
            #expect(try await ask(addresses[0], "\u{0}\u{1}") == "")
        }
    }

    @Test("An application answers, with the content it was sent")
    func application() async throws {
        try await withPort(App()) { addresses, _ in
            let answer = try await ask(addresses[0], "POST /hello?x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde")
            #expect(answer.hasPrefix("HTTP/1.1 200 "))
            #expect(answer.contains("X-Method: POST\r\n"))
            #expect(answer.hasSuffix("\r\n\r\nabcde"))
            #expect(try await ask(addresses[0], "GET /no HTTP/1.1\r\nHost: a\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
            #expect(
                try await ask(addresses[0], "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n").hasPrefix(
                    "HTTP/1.1 413 "))
            for length in ["-1", "+5", "5,5", "0x5"] {
                let request = "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\nabcde"
                #expect(try await ask(addresses[0], request).hasPrefix("HTTP/1.1 413 "), "\(length)")
            }
            #expect(
                try await ask(addresses[0], "POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                    .hasPrefix("HTTP/1.1 411 "))
        }
    }

    @Test("An application takes over a connection after 101, with what came behind the request", arguments: [Int.max, 1, 75, 82])
    func rawUpgrade(step: Int) async throws {
        try await withPort(App()) { addresses, _ in
            let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo/1\r\nConnection: Upgrade\r\n\r\n"
            let answer = try await ask(
                addresses[0], "GET /raw HTTP/1.1\r\nHost: a\r\nUpgrade: echo/1\r\nConnection: upgrade\r\n\r\nplain bytes",
                count: head.utf8.count + 11, step: step)
            #expect(answer == head + "plain bytes")
            #expect(try await ask(addresses[0], "GET /raw HTTP/1.1\r\nHost: a\r\n\r\n").hasPrefix("HTTP/1.1 426 "))
        }
    }

    @Test("Over TLS the same port serves secure WebSockets, to libp2p and to the application")
    func secure() async throws {
        let files = try CertificateFiles()
        try await withPort(App(), showing: files) { addresses, arrivals in
            #expect(addresses.map { "\($0)".split(separator: "/").dropFirst(4).joined(separator: "/") } == ["", "ws", "tls/ws"])
            var configuration = WebSocketConfiguration()
            configuration.tls.trust = .authorities(pemFile: files.chain)
            let transport = WebSocketTransport(over: TCPTransport(), configuration: configuration)
            let options = DialOptions(deadline: .now() + .seconds(10))
            let path = try MultiaddrComponent(.httpPath, text: "echo")
            let echo = try await transport.connect(to: try addresses[2].appending(path), options: options)
            let sent = ByteBuffer(repeating: 7, count: 300_000)
            #expect(try await self.echo(sent, over: echo) == sent)

            try await self.reach(addresses[2], over: transport, arrivals)
        }
    }

    @Test("Pages of other origins connect neither to the application nor to libp2p, and may still ask for pages")
    func origins() async throws {
        try await withPort(App(), origins: ["https://good.example"]) { addresses, _ in
            let fields = "Host: a\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            for (target, token) in [("/echo", "websocket"), ("/raw", "echo/1"), ("/libp2p", "websocket")] {
                for origins in ["https://evil.example", "https://good.example\r\nOrigin: https://evil.example"] {
                    let request = "GET \(target) HTTP/1.1\r\n\(fields)Upgrade: \(token)\r\nOrigin: \(origins)\r\n\r\n"
                    let answer = try await ask(addresses[0], request)
                    #expect(answer.hasPrefix("HTTP/1.1 403 "), "\(target) \(origins)")
                }
            }
            let good = "GET /raw HTTP/1.1\r\n\(fields)Upgrade: echo/1\r\nOrigin: https://good.example\r\n\r\n"
            let switched = try await ask(addresses[0], good, count: 12)
            #expect(switched.hasPrefix("HTTP/1.1 101"))
            let page = "GET /hello HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n"
            let answer = try await ask(addresses[0], page)
            #expect(answer.hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test("What follows a request is not read before the application has answered it")
    func patience() async throws {
        let app = SlowApp()
        try await withPort(app) { addresses, _ in
            let port = try #require(addresses[0].tcpEndpoint?.port)
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(
                host: "127.0.0.1", port: Int(port)
            )
            .get()
            try await channel.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
            _ = await app.requests.next()
            // More than the sockets of both ends hold.
            let written = channel.eventLoop.makePromise(of: Void.self)
            let isDone = Mutex(false)
            written.futureResult.whenComplete { _ in isDone.withLock { $0 = true } }
            channel.writeAndFlush(ByteBuffer(repeating: 0, count: 64 * 1_024 * 1_024), promise: written)
            try await Task.sleep(for: .milliseconds(500))
            #expect(isDone.withLock { !$0 })
            app.answer()
            try? await written.futureResult.get()
            try? await channel.close()
        }
    }

    /// Answers when it is told to.
    private final class SlowApp: WebHandler {
        let requests = Inbox<String, Never>(limit: 1)
        private let gate = Inbox<Void, Never>(limit: 1)

        func answer() { _ = self.gate.offer(()) }

        func reply(to request: WebRequest) async -> WebReply? {
            _ = self.requests.offer(request.path)
            _ = await self.gate.next()
            return .response(status: 200)
        }
    }

    /// Sends bytes over a dialled WebSocket and returns as many that come back.
    private func echo(_ sent: ByteBuffer, over dialled: ByteChannel) async throws -> ByteBuffer {
        try await prepared(dialled).executeThenClose { inbound, outbound in
            try await outbound.write(sent)
            var got = ByteBuffer()
            for try await bytes in inbound {
                got.writeImmutableBuffer(bytes)
                if got.readableBytes >= sent.readableBytes { break }
            }
            return got
        }
    }

    @Test("An application's WebSocket echoes bytes; others stay libp2p's")
    func webSockets() async throws {
        try await withPort(App()) { addresses, arrivals in
            let options = DialOptions(deadline: .now() + .seconds(10))
            let transport = WebSocketTransport(over: TCPTransport())
            let path = try MultiaddrComponent(.httpPath, text: "echo")
            let dialled = try await transport.connect(to: try addresses[1].appending(path), options: options)
            let sent = ByteBuffer(repeating: 7, count: 300_000)
            #expect(try await self.echo(sent, over: dialled) == sent)

            try await self.reach(addresses[1], over: transport, arrivals)
        }
    }
}
