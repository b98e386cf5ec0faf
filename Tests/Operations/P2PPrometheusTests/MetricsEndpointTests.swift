import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import P2PPrometheus

@Suite("The port for metrics", .timeLimit(.minutes(1)))
struct MetricsEndpointTests {
    /// Collects what comes until the other side has said all.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let promise: EventLoopPromise<String>
        private var text = ""
        private var isOver = false

        init(_ promise: EventLoopPromise<String>) { self.promise = promise }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.text += String(buffer: self.unwrapInboundIn(data))
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event as? ChannelEvent == .inputClosed { self.finish() }
        }

        func channelInactive(context: ChannelHandlerContext) { self.finish() }

        private func finish() {
            guard !self.isOver else { return }
            self.isOver = true
            self.promise.succeed(self.text)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private struct Client {
        let channel: any Channel
        let answer: EventLoopFuture<String>

        init(_ endpoint: MetricsEndpoint) async throws {
            let loop = MultiThreadedEventLoopGroup.singleton.any()
            let promise = loop.makePromise(of: String.self)
            self.channel = try await ClientBootstrap(group: loop)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Collector(promise)) }
                }
                .connect(host: endpoint.host, port: endpoint.port).get()
            self.answer = promise.futureResult
        }

        func say(_ text: String) async throws { try await self.channel.writeAndFlush(ByteBuffer(string: text)).get() }

        /// The whole answer. Leaves then.
        func hear() async throws -> String {
            let answer = try await self.answer.get()
            try? await self.channel.close().get()
            return answer
        }

        var status: String { get async throws { String(try await self.hear().prefix { $0 != "\r\n" }) } }
    }

    private static func withEndpoint(
        patience: Duration = .seconds(20), connections: Int = 16, page: @escaping @Sendable () -> String = { "page 1\n" },
        _ body: (MetricsEndpoint) async throws -> Void
    ) async throws {
        var configuration = MetricsEndpoint.Configuration()
        configuration.patience = patience
        configuration.maximumConnections = connections
        let endpoint = try await MetricsEndpoint.open(host: "127.0.0.1", port: 0, configuration: configuration, page: page)
        do {
            try await body(endpoint)
        } catch {
            await endpoint.close()
            throw error
        }
        await endpoint.close()
    }

    private static func until(_ isTrue: () -> Bool) async {
        while !isTrue(), !Task.isCancelled { await Task.yield() }
    }

    private static let request = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    @Test("Answers with the page as it is when it is asked for")
    func answers() async throws {
        let count = Atomic(0)
        try await Self.withEndpoint(page: { "page \(count.wrappingAdd(1, ordering: .relaxed).newValue)\n" }) { endpoint in
            #expect(endpoint.url == "http://127.0.0.1:\(endpoint.port)/metrics")
            for number in 1...3 {
                let client = try await Client(endpoint)
                try await client.say(Self.request)
                let answer = try await client.hear()
                #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"))
                #expect(answer.hasSuffix("\r\n\r\npage \(number)\n"))
                #expect(answer.contains("\r\nContent-Length: 7\r\n"))
            }
        }
    }

    @Test("A request may come in pieces, with its end")
    func pieces() async throws {
        try await Self.withEndpoint { endpoint in
            let client = try await Client(endpoint)
            for byte in Self.request.utf8 { try await client.say(String(UnicodeScalar(byte))) }
            #expect(try await client.status == "HTTP/1.1 200 OK")
        }
    }

    @Test("Says why it refuses")
    func refusals() async throws {
        try await Self.withEndpoint { endpoint in
            for (request, status) in [
                ("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 403 Forbidden"),
                ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 404 Not Found"),
                ("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 405 Method Not Allowed"),
                ("no request\n", "HTTP/1.1 400 Bad Request"),
                ("GET /metrics HTTP/1.1\r\nX: \(String(repeating: "x", count: 20_000))\r\n\r\n", "HTTP/1.1 400 Bad Request"),
            ] {
                let client = try await Client(endpoint)
                try await client.say(request)
                #expect(try await client.status == status)
            }
        }
    }

    @Test("Who takes its time is closed")
    func slow() async throws {
        try await Self.withEndpoint(patience: .milliseconds(300)) { endpoint in
            let client = try await Client(endpoint)
            try await client.say("GET /metrics HTTP/1.1\r\n")
            #expect(try await client.hear() == "")
        }
    }

    @Test("Who never stops talking is closed")
    func endless() async throws {
        try await Self.withEndpoint { endpoint in
            let client = try await Client(endpoint)
            try await client.say(Self.request)
            for _ in 0..<1_000 {
                guard (try? await client.say(String(repeating: "x", count: 1_024))) != nil else { break }
            }
            _ = try await client.channel.closeFuture.get()
        }
    }

    @Test("There are so many places, and they come back")
    func places() async throws {
        try await Self.withEndpoint(connections: 2) { endpoint in
            let first = try await Client(endpoint)
            let second = try await Client(endpoint)
            await Self.until { endpoint.places.count == 2 }
            let third = try await Client(endpoint)
            try await third.say(Self.request)
            #expect(try await third.status == "HTTP/1.1 503 Service Unavailable")
            for client in [first, second] {
                try await client.say("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                #expect(try await client.status == "HTTP/1.1 200 OK")
            }
            await Self.until { endpoint.places.count == 0 }
            let next = try await Client(endpoint)
            try await next.say(Self.request)
            #expect(try await next.status == "HTTP/1.1 200 OK")
        }
    }

    @Test("A port that is taken is an error")
    func taken() async throws {
        try await Self.withEndpoint { endpoint in
            await #expect(throws: (any Error).self) {
                _ = try await MetricsEndpoint.open(host: "127.0.0.1", port: endpoint.port) { "" }
            }
        }
    }
}
