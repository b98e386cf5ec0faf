import HTTPTypes
import NIOCore
import P2PCore
import P2PIdentity
import P2PTunnels
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
        _ body: (HTTPLocalPort, PeerID) async throws -> Void
    ) async throws {
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let responder = HTTPClosureResponder { request in
            .text(.ok, "\(request.peer) \(request.head.path ?? "") \(try await request.body.collect(upTo: 100).readableBytes)")
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

    @Test("As many at a time as the limit says: the next one waits, and is served")
    func limited() async throws {
        var limits = HTTPLimits()
        limits.exchangesPerPeer = 1
        try await self.serving(limits: limits) { port, _ in
            let first = try await LocalStream.connect(to: port.endpoint)
            try await first.write(text: "GET /first HTTP/1.1\r\n")
            async let second = self.ask("GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n", at: port.endpoint)
            try await first.write(text: "Host: localhost\r\n\r\n")
            #expect(try await first.readText(upTo: 10_000).contains("/first"))
            try await first.finish()
            #expect(try await second.contains("/second"))
        }
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
