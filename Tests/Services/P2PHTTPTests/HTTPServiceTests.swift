import HTTPTypes
import NIOCore
import P2PCore
import P2PProtocolTesting
import Testing

@testable import P2PHTTP

@Suite("HTTP between peers", .timeLimit(.minutes(1)))
struct HTTPServiceTests {
    private func peer(_ responder: any HTTPResponder, _ limits: HTTPLimits = HTTPLimits()) throws -> PeerConnection {
        LoopbackPeer(HTTPService(responder, limits: limits), on: try .sample()).peerConnection
    }

    private func get(_ path: String, method: HTTPRequest.Method = .get, _ fields: HTTPFields = [:]) -> HTTPRequest {
        HTTPRequest(method: method, scheme: nil, authority: nil, path: path, headerFields: fields)
    }

    private static let echo = HTTPClosureResponder { request in
        HTTPPeerResponse(
            HTTPResponse(status: .ok, headerFields: [.contentType: "text/plain"]),
            .pieces { writer in while let piece = try await request.body.next() { try await writer.write(piece) } })
    }

    @Test("A request, its body as it comes, and the response")
    func exchange() async throws {
        let connection = try self.peer(Self.echo)
        let body = ByteBuffer(repeating: 7, count: 3 * 1_048_576)
        for sent in [
            HTTPOutgoingBody.bytes(body), .pieces { try await $0.write(body) },
            .pieces(length: UInt64(body.readableBytes)) { try await $0.write(body) },
        ] {
            let answer = try await connection.http(self.get("/a?b", method: .post), sent)
            #expect(answer.head.status == .ok)
            #expect(answer.head.headerFields[.connection] == "close")
            #expect(try await answer.body.collect(upTo: 4 * 1_048_576) == body)
        }
    }

    @Test("A request is sent no longer than its answer is wanted, also while it waits for its own body")
    func sentInVain() async throws {
        let connection = try self.peer(HTTPClosureResponder { _ in .text(.ok, "early") })
        let ended = AsyncStream<Bool>.makeStream()
        _ = try await connection.http(
            self.get("/", method: .post),
            .pieces { writer in
                try await writer.write(ByteBuffer(string: "a"))
                try? await Task.sleep(for: .seconds(600))
                ended.continuation.yield(Task.isCancelled)
            })
        for await isCancelled in ended.stream {
            #expect(isCancelled)
            break
        }
    }

    @Test("The time for a head is the server's: it does not pass while a request waits for its own body")
    func turns() async throws {
        var limits = HTTPLimits()
        limits.headTime = .milliseconds(50)
        let connection = try self.peer(HTTPClosureResponder { .text(.ok, "\(try await $0.body.collect(upTo: 10).readableBytes)") })
        let answer = try await connection.http(
            self.get("/", method: .post),
            .pieces { writer in
                for _ in 0..<3 {
                    try await Task.sleep(for: .milliseconds(100))
                    try await writer.write(ByteBuffer(string: "c"))
                }
            }, limits: limits)
        #expect(String(buffer: try await answer.body.collect(upTo: 10)) == "3\n")
        let silent = try self.peer(
            HTTPClosureResponder { _ in
                try await Task.sleep(for: .seconds(600))
                return .text(.ok, "")
            })
        await #expect(throws: HTTPError(.timedOut, "")) { _ = try await silent.http(self.get("/"), limits: limits) }
    }

    @Test("The responder knows who asks, what it throws is a 500, and HEAD has no body")
    func answers() async throws {
        let connection = try self.peer(
            HTTPClosureResponder { request in
                struct Failure: Error {}
                guard request.head.path != "/fail" else { throw Failure() }
                return .text(.ok, "\(request.peer) \(request.head.path ?? "")")
            })
        let told = try await connection.http(self.get("/x"))
        #expect(try await String(buffer: told.body.collect(upTo: 1_000)) == "\(connection.remotePeer) /x\n")
        #expect(try await connection.http(self.get("/fail")).head.status == .internalServerError)
        let head = try await connection.http(self.get("/x", method: .head))
        #expect(head.head.headerFields[.contentLength] == "\(connection.remotePeer) /x\n".utf8.count.description)
        #expect(try await head.body.next() == nil)
    }

    @Test(
        "What is no request is answered, exactly",
        arguments: [
            ("GET / HTTP/1.1\nhost: a\n\n", "400"), ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
            ("GET / HTTP/3\r\n\r\n", "505"), ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "501"),
            ("GET / HTTP/1.1\r\na: " + String(repeating: "x", count: 40_000) + "\r\n\r\n", "431"),
            ("GET / HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 200) + "\r\n", "431"), ("\u{16}\u{3}\u{1}", "400"),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"),
        ])
    func refusals(request: String, status: String) async throws {
        let connection = try self.peer(
            HTTPClosureResponder { request in
                _ = try await request.body.collect(upTo: 1_000)
                return .text(.ok, "fine")
            })
        let stream = try await connection.openStream(.http)
        try await stream.write(text: request)
        let answer = try await stream.readText(upTo: 10_000)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
    }

    @Test("Of two requests on one stream the first is answered, and no other")
    func pipelined() async throws {
        let connection = try self.peer(HTTPClosureResponder { .text(.ok, $0.head.path ?? "") })
        let stream = try await connection.openStream(.http)
        try await stream.write(text: "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        let answer = try await stream.readText(upTo: 10_000)
        #expect(answer.hasSuffix("\r\n\r\n/1\n"))
    }

    @Test("A body longer than is taken, and one that ends too soon")
    func bodies() async throws {
        let connection = try self.peer(
            HTTPClosureResponder { request in .text(.ok, "\(try await request.body.collect(upTo: 10).readableBytes)") })
        #expect(
            try await connection.http(self.get("/", method: .post), .text(String(repeating: "x", count: 11))).head.status
                == .contentTooLarge)
        let stream = try await connection.openStream(.http)
        try await stream.write(text: "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc")
        try await stream.finish()
        #expect(try await stream.readText(upTo: 10_000).hasPrefix("HTTP/1.1 500 "))
    }

    @Test("A body that fails ends the exchange at once, with its own failure")
    func brokenBody() async throws {
        struct Failure: Error {}
        let connection = try self.peer(
            HTTPClosureResponder { request in .text(.ok, "\(try await request.body.collect(upTo: 10).readableBytes)") })
        await #expect(throws: Failure.self) {
            _ = try await connection.http(
                self.get("/", method: .post),
                .pieces { writer in
                    try await writer.write(ByteBuffer(string: "a"))
                    throw Failure()
                })
        }
    }

    @Test("A head that does not come in time ends the exchange")
    func late() async throws {
        var limits = HTTPLimits()
        limits.headTime = .milliseconds(50)
        let connection = try self.peer(Self.echo, limits)
        let stream = try await connection.openStream(.http)
        try await stream.write(text: "GET / HT")
        await #expect(throws: StreamError(.reset, "")) { try await stream.read() }
    }

    @Test("An upgrade hands the stream on, with what came behind the head")
    func upgrade() async throws {
        let connection = try self.peer(
            HTTPClosureResponder { _ in
                HTTPPeerResponse(
                    HTTPResponse(status: .switchingProtocols, headerFields: [.upgrade: "shout", .connection: "Upgrade"]),
                    .upgrade { stream in
                        while let bytes = try await stream.read() { try await stream.write(text: String(buffer: bytes).uppercased()) }
                    })
            })
        let stream = try await connection.openStream(.http)
        try await stream.write(text: "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nhello")
        try await stream.finish()
        #expect(try await stream.readText(upTo: 1_000).hasSuffix("\r\n\r\nHELLO"))
    }

    @Test("Protocols are mounted below paths, and the map says where")
    func mounts() async throws {
        var mounts = HTTPMounts()
        mounts.mount("/a/1", HTTPClosureResponder { .text(.ok, "a \($0.head.path ?? "")") })
        mounts.mount("/b/1", at: "/a/1/b", HTTPClosureResponder { .text(.ok, "b \($0.head.path ?? "")") })
        let connection = try self.peer(mounts)
        for (path, text) in [
            ("/a/1/x?y", "a /x?y\n"), ("/a/1", "a /\n"), ("/a/1?q", "a /?q\n"), ("/a/1/b/c", "b /c\n"), ("/a/1/bc", "a /bc\n"),
        ] {
            #expect(try await String(buffer: connection.http(self.get(path)).body.collect(upTo: 100)) == text)
        }
        #expect(try await connection.http(self.get("/a/12")).head.status == .notFound)
        let map = try await connection.http(self.get(HTTPMounts.wellKnown))
        #expect(map.head.headerFields[.contentType] == "application/json")
        #expect(try await String(buffer: map.body.collect(upTo: 1_000)) == #"{"/a/1":{"path":"/a/1/"},"/b/1":{"path":"/a/1/b/"}}"# + "")
        #expect(try await connection.http(self.get(HTTPMounts.wellKnown, method: .post)).head.status == .methodNotAllowed)
        #expect(try await connection.http(self.get(HTTPMounts.wellKnown, [.accept: "text/html"])).head.status == .notAcceptable)
    }
}
