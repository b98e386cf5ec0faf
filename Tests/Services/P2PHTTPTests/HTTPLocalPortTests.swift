import HTTPTypes
import NIOCore
import P2PCore
import P2PIdentity
import P2PTunnels
import Synchronization
import Testing

@testable import P2PHTTP

@Suite("HTTP on a local port", .timeLimit(.minutes(1)))
struct HTTPLocalPortTests {
    /// Asks as any client would.
    private func ask(_ text: String, at endpoint: TunnelEndpoint) async throws -> String {
        let stream = try await LocalStream.connect(to: endpoint)
        try await stream.write(text: text)
        return try await stream.readText(upTo: 1_000_000)
    }

    private func serving(
        _ endpoint: TunnelEndpoint = .ip(host: "127.0.0.1", port: 0), limits: HTTPLimits = HTTPLimits(),
        entered: @escaping @Sendable (String) async -> Void = { _ in }, _ body: (HTTPLocalPort, PeerID) async throws -> Void
    ) async throws {
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let responder = HTTPClosureResponder { request in
            await entered(request.head.path ?? "")
            return .text(.ok, "\(request.peer) \(request.head.path ?? "") \(try await request.body.collect(upTo: 100).readableBytes)")
        }
        let port = try await HTTPLocalPort.bind(endpoint, responder, as: peer, limits: limits)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await port.run() }
            try await body(port, peer)
            group.cancelAll()
            try await group.waitForAll()
        }
        await #expect(throws: TunnelError.self) { _ = try await self.ask("GET / HTTP/1.1\r\n\r\n", at: port.endpoint) }
    }

    @Test("A program of this machine is answered as a peer is, in this node's name")
    func answers() async throws {
        try await self.serving { port, peer in
            for host in ["\(port.endpoint)", "localhost", "LOCALHOST:1", "[::1]:80", "[::1]"] {
                let answer = try await self.ask("POST /x?y HTTP/1.1\r\nHost: \(host)\r\nContent-Length: 3\r\n\r\nabc", at: port.endpoint)
                #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\n\(peer) /x?y 3\n"), "\(host): \(answer)")
            }
        }
    }

    @Test(
        "What a page can have its browser ask is refused",
        arguments: [
            ("Host: evil.example\r\n", "421"), ("Host: 127.0.0.1.evil.example\r\n", "421"), ("Host: 10.0.0.1\r\n", "421"), ("", "421"),
            ("Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n", "403"), ("Host: localhost\r\nOrigin: null\r\n", "403"),
        ])
    func pages(_ fields: String, _ status: String) async throws {
        try await self.serving { port, _ in
            let answer = try await self.ask("GET / HTTP/1.1\r\n\(fields)\r\n", at: port.endpoint)
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
        }
    }

    @Test("As many at a time as the limit says: the next ones wait, and are served")
    func limited() async throws {
        final class UnderWay: Sendable {
            let counts = Mutex((now: 0, most: 0))
            let first = AsyncStream<Void>.makeStream()
            let release = AsyncStream<Void>.makeStream()

            func enter(_ path: String) async {
                self.counts.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                if path == "/first" {
                    self.first.continuation.finish()
                    for await _ in self.release.stream {}
                }
                self.counts.withLock { $0.now -= 1 }
            }
        }
        let underWay = UnderWay()
        var limits = HTTPLimits()
        limits.exchangesPerPeer = 1
        try await self.serving(limits: limits, entered: underWay.enter) { port, _ in
            func ask(_ path: String) async throws -> String {
                try await self.ask("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", at: port.endpoint)
            }
            async let first = ask("/first")
            for await _ in underWay.first.stream {}
            async let second = ask("/second")
            async let third = ask("/third")
            // Time for them to come in, if nothing holds them back.
            try await Task.sleep(for: .milliseconds(300))
            underWay.release.continuation.finish()
            #expect(try await first.contains("/first"))
            #expect(try await second.contains("/second"))
            #expect(try await third.contains("/third"))
        }
        #expect(underWay.counts.withLock { $0.most } == 1)
    }

    @Test("An address that others reach is refused, and so is a port in use")
    func refused() async throws {
        try await self.serving { port, peer in
            let responder = HTTPMounts()
            await #expect(throws: TunnelError(.badRequest, "")) {
                _ = try await HTTPLocalPort.bind(.ip(host: "0.0.0.0", port: 0), responder, as: peer)
            }
            await #expect(throws: TunnelError(.notBound, "")) { _ = try await HTTPLocalPort.bind(port.endpoint, responder, as: peer) }
        }
    }
}
