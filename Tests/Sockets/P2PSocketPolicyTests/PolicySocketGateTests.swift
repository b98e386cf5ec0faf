import P2PPolicy
import P2PSockets
import Synchronization
import Testing

@testable import P2PSocketPolicy

/// Plain sockets under a policy: the refusals, word for word, and what happens when rules change.
@Suite("Sockets under a policy", .timeLimit(.minutes(1)))
struct PolicySocketGateTests {
    private func gate(_ rules: String, app: String? = nil) throws -> any SocketGate {
        PolicyGate(try Policy(rules)).sockets(for: app)
    }

    @Test(
        "Refusals say exactly what is refused and why",
        arguments: [
            ("", "10.0.0.5", nil, "permission denied: tcp-connect:10.0.0.5:22 is not granted"),
            ("", "2001:db8::1", nil, "permission denied: tcp-connect:[2001:db8::1]:22 is not granted"),
            (
                "allow tcp-connect:*:*\n\ndeny tcp-connect:10.0.0.0/8:*", "10.0.0.5", nil,
                #"permission denied: tcp-connect:10.0.0.5:22 is denied by "deny tcp-connect:10.0.0.0/8:*" (policy line 3)"#
            ),
            (
                "allow tcp-connect:evil.example:*", "evil.example", "127.0.0.1",
                "permission denied: tcp-connect:evil.example:22 leads to 127.0.0.1, which is not granted"
            ),
            (
                "allow tcp-connect:*:*", "0177.0.0.1", nil,
                #"permission denied: tcp-connect:"0177.0.0.1":22 is not granted: "0177.0.0.1" is neither an address in its usual form nor a name in ASCII"#
            ),
            ("allow tcp-connect:*.example:*", "good.example", "93.184.216.34", nil),
            ("allow tcp-connect:10.0.0.5:22", "10.0.0.5", nil, nil),
        ] as [(String, String, String?, String?)])
    func refusals(_ rules: String, _ host: String, _ address: String?, _ refusal: String?) async throws {
        let question = SocketQuestion(.tcpConnect, host: host, port: 22, leadsTo: address)
        #expect(try await self.gate(rules).decide(question, for: nil) == (refusal.map { .refused($0) } ?? .granted))
    }

    @Test("The program that asks counts, and is named")
    func apps() async throws {
        let rules = "allow udp-listen:5353 app=companion"
        let question = SocketQuestion(.udpListen, host: "0.0.0.0", port: 5_353)
        #expect(try await self.gate(rules, app: "companion").decide(question, for: nil) == .granted)
        #expect(
            try await self.gate(rules, app: "other").decide(question, for: nil)
                == .refused("permission denied: udp-listen:0.0.0.0:5353 is not granted to app other"))
    }

    @Test("A socket is refused before anything is sent, and one that is granted ends when the rules change")
    func replaced() async throws {
        let policy = PolicyGate(try Policy("allow tcp-listen:*"))
        var listening = TCPServerOptions()
        listening.gate = policy.sockets()
        let server = try TCPServerSocket.listen("127.0.0.1", options: listening)
        let port = try await server.opened.localPort
        var dialing = TCPOptions()
        dialing.gate = policy.sockets()
        let refused = try TCPSocket.connect("127.0.0.1", port, options: dialing)
        let error = await #expect(throws: SocketError.self) { _ = try await refused.opened }
        #expect(error?.message == "permission denied: tcp-connect:127.0.0.1:\(port) is not granted" && error?.kind == .notAllowed)
        policy.replace(with: try Policy("allow tcp-listen:*\nallow tcp-connect:loopback:*"))
        let granted = try TCPSocket.connect("127.0.0.1", port, options: dialing)
        _ = try await granted.opened
        // One after the other: a listener that ends resets who waits to be taken from it, and the other end would learn of that instead.
        #expect(policy.replace(with: try Policy("allow tcp-listen:*")).sockets == 1)
        let withdrawn = await #expect(throws: SocketError.self) { try await granted.closed }
        #expect(withdrawn?.message == "permission denied: tcp-connect:127.0.0.1:\(port) is not granted")
        #expect(policy.replace(with: try Policy("allow tcp-connect:10.0.0.1:1")).sockets == 1)
        await #expect(throws: SocketError(.permissionDenied, "")) { try await server.closed }
    }

    @Test("As many at a time as a rule allows; one that is gone makes room")
    func maximum() async throws {
        let policy = PolicyGate(try Policy("allow udp-listen:* max=1"))
        var options = UDPOptions()
        options.gate = policy.sockets()
        let first = try UDPSocket.bind("127.0.0.1", options: options)
        _ = try await first.opened
        let second = try UDPSocket.bind("127.0.0.1", options: options)
        await #expect(throws: SocketError(.permissionDenied, "")) { _ = try await second.opened }
        first.close()
        try await first.closed
        _ = try await UDPSocket.bind("127.0.0.1", options: options).opened
    }

    @Test("What the rules leave open is asked, once for the same question")
    func asks() async throws {
        let asked = Mutex<[String]>([])
        let policy = PolicyGate(
            try Policy("ask tcp-connect:loopback:*"),
            asking: PolicyAsking { question, _ in
                asked.withLock { $0.append("\(question)") }
                return true
            })
        let gate = policy.sockets()
        for _ in 0..<2 { #expect(await gate.decide(SocketQuestion(.tcpConnect, host: "127.0.0.1", port: 80), for: nil) == .granted) }
        #expect(asked.withLock { $0 } == ["tcp-connect:127.0.0.1:80"])
    }
}
