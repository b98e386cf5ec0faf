import HTTPTypes
import NIOCore
import P2PCore
import P2PHTTP
import P2PIdentity
import P2PProtocolTesting
import P2PTunnels
import Synchronization
import Testing

@testable import P2PHTTP2

@Suite("HTTP/2 between peers", .timeLimit(.minutes(1)))
struct HTTP2ServiceTests {
    private static let echo = HTTPClosureResponder { request in
        HTTPPeerResponse(
            HTTPResponse(status: .ok, headerFields: [.contentType: "text/plain"]),
            .pieces { writer in while let piece = try await request.body.next() { try await writer.write(piece) } })
    }

    private func connection(_ responder: any HTTPResponder, _ limits: HTTP2Limits = HTTP2Limits()) async throws -> HTTP2Connection {
        try await .open(on: LoopbackPeer(HTTP2Service(responder, limits: limits), on: try .sample()).peerConnection)
    }

    private func get(_ path: String, method: HTTPRequest.Method = .get, _ fields: HTTPFields = [:]) -> HTTPRequest {
        HTTPRequest(method: method, scheme: nil, authority: nil, path: path, headerFields: fields)
    }

    private func text(_ answer: HTTPPeerAnswer) async throws -> String { String(buffer: try await answer.body.collect(upTo: 10_000)) }

    @Test("A request, its body as it comes, and the response")
    func exchange() async throws {
        let http = try await self.connection(Self.echo)
        let body = ByteBuffer(repeating: 7, count: 3 * 1_048_576)
        for sent in [
            HTTPOutgoingBody.bytes(body), .pieces { try await $0.write(body) },
            .pieces(length: UInt64(body.readableBytes)) { try await $0.write(body) },
        ] {
            let answer = try await http.http(self.get("/a?b", method: .post), sent)
            #expect(answer.head.status == .ok && answer.head.headerFields[.contentType] == "text/plain")
            #expect(try await answer.body.collect(upTo: 4 * 1_048_576) == body)
        }
        let nothing = try await http.http(self.get("/", method: .post))
        #expect(try await nothing.body.next() == nil)
    }

    @Test("More requests at once than a server takes wait for their turn")
    func many() async throws {
        let living = Living()
        let http = try await self.connection(
            HTTPClosureResponder { request in
                living.begin()
                defer { living.end() }
                await Task.yield()
                return .text(.ok, request.head.path ?? "")
            })
        let answers = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<300 { group.addTask { try await self.text(http.http(self.get("/\(number)"))) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(answers == Set((0..<300).map { "/\($0)\n" }))
        #expect(living.peak <= 2 * HTTP2Limits().exchanges)
    }

    @Test("The responder knows who asks, and answers are what they are over HTTP/1.1")
    func answers() async throws {
        struct Failure: Error {}
        let peer = LoopbackPeer(
            HTTP2Service(
                HTTPClosureResponder { request in
                    switch request.head.path {
                    case "/fail": throw Failure()
                    case "/empty": HTTPPeerResponse(HTTPResponse(status: .noContent))
                    case "/upgrade": HTTPPeerResponse(HTTPResponse(status: .switchingProtocols), .upgrade { _ in })
                    case "/long": .text(.ok, "\(try await request.body.collect(upTo: 10).readableBytes)")
                    default: .text(.ok, "\(request.peer) \(request.head.authority ?? "") \(request.head.path ?? "")")
                    }
                }), on: try .sample()
        ).peerConnection
        let http = try await HTTP2Connection.open(on: peer)
        let told = "\(peer.remotePeer) \(peer.remotePeer) /x\n"
        #expect(try await self.text(http.http(self.get("/x"))) == told)
        let head = try await http.http(self.get("/x", method: .head))
        #expect(head.head.headerFields[.contentLength] == "\(told.utf8.count)")
        #expect(try await head.body.next() == nil)
        for (path, status) in [("/fail", HTTPResponse.Status.internalServerError), ("/empty", .noContent), ("/upgrade", .notImplemented)] {
            #expect(try await http.http(self.get(path)).head.status == status)
        }
        // The answer comes although the request is not over, and never will be.
        let long = try await http.http(
            self.get("/long", method: .post), .pieces { while true { try await $0.write(ByteBuffer(repeating: 1, count: 1_000)) } })
        #expect(long.head.status == .contentTooLarge)
        #expect(try await self.text(http.http(self.get("/x"))) == told)
        for wrong in ["x", "/a b", "/\u{e9}"] {
            await #expect(throws: HTTPError(.badRequest, "")) { _ = try await http.http(self.get(wrong)) }
        }
    }

    @Test("Fields about a connection stay here, and the others come there")
    func fields() async throws {
        let http = try await self.connection(
            HTTPClosureResponder { request in
                HTTPPeerResponse(
                    HTTPResponse(
                        status: .ok,
                        headerFields: [.connection: "close", .transferEncoding: "chunked", .eTag: request.head.headerFields[.accept] ?? ""]),
                    .text("x"))
            })
        let answer = try await http.http(self.get("/", [.connection: "close", .upgrade: "x", .accept: "a, b"]))
        #expect(answer.head.headerFields[.eTag] == "a, b" && answer.head.headerFields[.contentLength] == "1")
        #expect(answer.head.headerFields[.connection] == nil && answer.head.headerFields[.transferEncoding] == nil)
    }

    @Test("A body that fails ends the exchange at once, with its own failure")
    func brokenBody() async throws {
        struct Failure: Error {}
        let http = try await self.connection(
            HTTPClosureResponder { .text(.ok, "\(try await $0.body.collect(upTo: 10).readableBytes)") })
        await #expect(throws: Failure.self) {
            _ = try await http.http(
                self.get("/", method: .post),
                .pieces { writer in
                    try await writer.write(ByteBuffer(string: "a"))
                    throw Failure()
                })
        }
        #expect(try await self.text(http.http(self.get("/", method: .post), .text("abc"))) == "3\n")
    }

    @Test("Who lets go of an answer ends its exchange, and no other")
    func letGo() async throws {
        let ended = AsyncStream<Void>.makeStream()
        let http = try await self.connection(
            HTTPClosureResponder { request in
                guard request.head.path == "/endless" else { return .text(.ok, "other") }
                return HTTPPeerResponse(
                    HTTPResponse(status: .ok),
                    .pieces { writer in
                        defer { ended.continuation.yield() }
                        while true { try await writer.write(ByteBuffer(repeating: 1, count: 10_000)) }
                    })
            })
        do {
            let answer = try await http.http(self.get("/endless"))
            #expect(try await answer.body.next() != nil)
        }
        for await _ in ended.stream { break }
        #expect(try await self.text(http.http(self.get("/"))) == "other\n")
    }

    @Test("A request is sent no longer than its answer is wanted, also while it waits for its own body")
    func sentInVain() async throws {
        let http = try await self.connection(HTTPClosureResponder { _ in .text(.ok, "early") })
        let ended = AsyncStream<Bool>.makeStream()
        func ask() async throws -> HTTPPeerAnswer {
            try await http.http(
                self.get("/", method: .post),
                .pieces { writer in
                    try await writer.write(ByteBuffer(string: "a"))
                    try? await Task.sleep(for: .seconds(600))
                    ended.continuation.yield(Task.isCancelled)
                })
        }
        var ends = ended.stream.makeAsyncIterator()
        // The server has answered, and wants no more of it.
        let answer = try await ask()
        #expect(try await self.text(answer) == "early\n")
        #expect(await ends.next() == true)
        _ = try await ask()
        #expect(await ends.next() == true)
        #expect(try await self.text(http.http(self.get("/"))) == "early\n")
    }

    @Test("The time for a head is the server's: it does not pass while a request waits for its turn, or for its own body")
    func turns() async throws {
        var limits = HTTP2Limits()
        limits.exchanges = 1
        limits.headTime = .milliseconds(50)
        let longer = Duration.milliseconds(200)
        let http = try await self.connection(Self.echo, limits)
        let first = AsyncStream<Void>.makeStream()
        let holding = try await http.http(
            self.get("/", method: .post),
            .pieces { writer in
                for await _ in first.stream { break }
                try await writer.write(ByteBuffer(string: "a"))
            })
        let waiting = Task { try await self.text(http.http(self.get("/", method: .post), .text("b"))) }
        try await Task.sleep(for: longer)
        first.continuation.yield()
        #expect(try await self.text(holding) == "a")
        #expect(try await waiting.value == "b")
        let whole = try await self.connection(
            HTTPClosureResponder { .text(.ok, "\(try await $0.body.collect(upTo: 10).readableBytes)") }, limits)
        let slow = try await whole.http(
            self.get("/", method: .post),
            .pieces { writer in
                for _ in 0..<3 {
                    try await Task.sleep(for: longer / 2)
                    try await writer.write(ByteBuffer(string: "c"))
                }
            })
        #expect(try await self.text(slow) == "3\n")
    }

    @Test("Who ends the stream ends what is asked over it, on both sides")
    func closed() async throws {
        let (begun, ended) = (AsyncStream<Void>.makeStream(), AsyncStream<Bool>.makeStream())
        let http = try await self.connection(
            HTTPClosureResponder { _ in
                begun.continuation.yield()
                try? await Task.sleep(for: .seconds(600))
                ended.continuation.yield(Task.isCancelled)
                return .text(.ok, "late")
            })
        let asking = Task { try await http.http(self.get("/")) }
        for await _ in begun.stream { break }
        http.close()
        await #expect(throws: HTTPError.self) { _ = try await asking.value }
        for await isCancelled in ended.stream {
            #expect(isCancelled)
            break
        }
        await #expect(throws: HTTPError.self) { _ = try await http.http(self.get("/")) }
    }

    @Test("A body that nobody reads is held up, either way, and holds up no other")
    func heldUp() async throws {
        let taken = Atomic<Int>(0)
        let made = Atomic<Int>(0)
        let http = try await self.connection(
            HTTPClosureResponder { request in
                switch request.head.path {
                case "/take":
                    try await Task.sleep(for: .seconds(600))
                    return .text(.ok, "")
                case "/make":
                    return HTTPPeerResponse(
                        HTTPResponse(status: .ok),
                        .pieces { writer in
                            while true {
                                try await writer.write(ByteBuffer(repeating: 1, count: 10_000))
                                made.add(10_000, ordering: .relaxed)
                            }
                        })
                default: return .text(.ok, "other")
                }
            })
        let taking = Task {
            try await http.http(
                self.get("/take", method: .post),
                .pieces { writer in
                    while true {
                        try await writer.write(ByteBuffer(repeating: 1, count: 10_000))
                        taken.add(10_000, ordering: .relaxed)
                    }
                })
        }
        let making = try await http.http(self.get("/make"))
        for _ in 0..<200 { #expect(try await self.text(http.http(self.get("/"))) == "other\n") }
        // What comes together with the head counts as read.
        let most = 2 * HTTP2Limits().bodyWindow + 20_000
        #expect(taken.load(ordering: .relaxed) <= most && made.load(ordering: .relaxed) <= most)
        taking.cancel()
        withExtendedLifetime(making) {}
    }

    @Test("Whoever takes nothing of an answer has it made for as long as a body may be idle, and no longer")
    func neverTaken() async throws {
        let ended = AsyncStream<Void>.makeStream()
        var limits = HTTP2Limits()
        limits.bodyIdle = .milliseconds(500)
        let http = try await self.connection(
            HTTPClosureResponder { _ in
                HTTPPeerResponse(
                    HTTPResponse(status: .ok),
                    .pieces { writer in
                        defer { ended.continuation.yield() }
                        while true { try await writer.write(ByteBuffer(repeating: 1, count: 10_000)) }
                    })
            }, limits)
        let answer = try await http.http(self.get("/"))
        for await _ in ended.stream { break }
        await #expect(throws: HTTPError.self) { while try await answer.body.next() != nil {} }
    }

    @Test("A server that says nothing is not waited for, and a peer that asks for nothing is sent away")
    func silence() async throws {
        var limits = HTTP2Limits()
        limits.headTime = .milliseconds(50)
        limits.idle = .milliseconds(50)
        let silent = LoopbackPeer(
            HTTP2Service(
                HTTPClosureResponder { _ in
                    try await Task.sleep(for: .seconds(600))
                    return .text(.ok, "")
                }), on: try .sample()
        ).peerConnection
        let asking = try await HTTP2Connection.open(on: silent, limits: limits)
        await #expect(throws: HTTPError(.timedOut, "")) { _ = try await asking.http(self.get("/")) }
        // One that does not answer the goodbye is not waited for either.
        limits.bodyIdle = .milliseconds(50)
        let idle = try await RawHTTP2(HTTP2Service(Self.echo, limits: limits))
        let said = try await idle.rest()
        #expect(said.contains { $0.type == .goAway && $0.errorCode == 0 }, "\(said)")
    }

    @Test("A reverse proxy passes on what came over HTTP/2, also a body without a length")
    func proxied() async throws {
        let port = try await HTTPLocalPort.bind(.ip(host: "127.0.0.1", port: 0), Self.echo, as: try .sample())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await port.run() }
            let http = try await self.connection(HTTPReverseProxy(to: port.endpoint))
            for sent in [HTTPOutgoingBody.text("hello"), .pieces { try await $0.write(ByteBuffer(string: "hello")) }] {
                #expect(try await self.text(http.http(self.get("/", method: .post), sent)) == "hello")
            }
            group.cancelAll()
        }
    }
}

/// Counts those that live at a time.
final class Living: Sendable {
    private let state = Mutex((now: 0, peak: 0, ever: 0))

    var peak: Int { self.state.withLock { $0.peak } }
    var ever: Int { self.state.withLock { $0.ever } }

    func begin() {
        self.state.withLock { state in
            state.now += 1
            state.ever += 1
            state.peak = max(state.peak, state.now)
        }
    }

    func end() { self.state.withLock { $0.now -= 1 } }
}

extension PeerID {
    static func sample() throws -> PeerID { try ConnectionInfo.sample().localPeer }
}
