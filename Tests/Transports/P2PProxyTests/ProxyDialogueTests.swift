import NIOCore
import NIOEmbedded
import P2PCore
import P2PMultiaddr
import P2PPipeline
import P2PTCP
import Testing

@testable import P2PProxy

@Suite("Proxy dialogues")
struct ProxyDialogueTests {
    private static let onion = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd"

    private func dialogue(_ proxy: String, _ target: String) throws -> ProxyDialogue {
        ProxyDialogue(try ProxyURL(proxy), to: try #require(ProxyTarget(try Multiaddr(target))))
    }

    /// Runs a dialogue against answers of the proxy, in pieces of `step`; what it sent, and what was left over.
    private func run(_ dialogue: ProxyDialogue, _ answers: [[UInt8]], step: Int) throws -> (sent: [[UInt8]], left: [UInt8]?) {
        var dialogue = dialogue
        var sent = [Array(dialogue.opening.readableBytesView)]
        for answer in answers {
            var rest = ByteBuffer(bytes: answer)
            while var piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
                inner: while true {
                    switch try dialogue.received(&piece) {
                    case .more: break inner
                    case .send(let bytes): sent.append(Array(bytes.readableBytesView))
                    case .done: return (sent, Array(piece.readableBytesView) + Array(rest.readableBytesView))
                    }
                }
            }
        }
        return (sent, nil)
    }

    @Test("CONNECT names the target and leaves the name to the proxy", arguments: [Int.max, 1])
    func connect(step: Int) throws {
        let ran = try self.run(
            try self.dialogue("http://me:pw@127.0.0.1", "/dns4/example.com/tcp/443"), [Array("HTTP/1.0 200 OK\r\nVia: x\r\n\r\nabc".utf8)],
            step: step)
        #expect(
            String(decoding: ran.sent[0], as: UTF8.self)
                == "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n")
        #expect(ran.left == Array("abc".utf8))
        let six = try self.dialogue("http://127.0.0.1", "/ip6/::1/tcp/1")
        #expect(String(buffer: six.opening).hasPrefix("CONNECT [::1]:1 HTTP/1.1\r\n"))
    }

    @Test("A proxy's interim answers are no answer yet", arguments: [Int.max, 1])
    func interim(step: Int) throws {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nA: b\r\n\r\n"
        let dialogue = try self.dialogue("http://127.0.0.1", "/ip4/1.2.3.4/tcp/1")
        #expect(try self.run(dialogue, [Array((interim + "HTTP/1.1 200 OK\r\n\r\nabc").utf8)], step: step).left == Array("abc".utf8))
        #expect(try self.run(dialogue, [Array(interim.utf8)], step: step).left == nil)
        let refused = #expect(throws: ProxyError.self) {
            try self.run(dialogue, [Array((interim + "HTTP/1.1 403 x\r\n\r\n").utf8)], step: step)
        }
        #expect(refused?.isRefusal == true)
        let endless = #expect(throws: ProxyError.self) {
            try self.run(dialogue, [Array(String(repeating: interim, count: 5).utf8)], step: step)
        }
        #expect(endless?.isRefusal == false)
        #expect(endless?.message.contains("8 interim") == true)
    }

    @Test(
        "A proxy that says no, or nonsense, is believed",
        arguments: [
            ("HTTP/1.1 403 Forbidden\r\n\r\n", true), ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", true),
            ("HTTP/1.1 503 x\r\n\r\n", true), ("SSH-2.0-x\r\n\r\n", false), ("HTTP/1.1 20 OK\r\n\r\n", false),
            ("HTTP/1.1 +99 OK\r\n\r\n", false), ("HTTP/1.1 101 x\r\n\r\n", true), ("\n", false),
            ("HTTP/1.1 200 OK\r\n" + String(repeating: "A: b\r\n", count: 3_000), false),
        ])
    func refusedConnect(answer: String, isRefusal: Bool) throws {
        let dialogue = try self.dialogue("http://127.0.0.1", "/ip4/1.2.3.4/tcp/1")
        for step in [Int.max, 1] {
            let error = #expect(throws: ProxyError.self) { try self.run(dialogue, [Array(answer.utf8)], step: step) }
            #expect(error?.isRefusal == isRefusal)
        }
    }

    @Test(
        "SOCKS asks for addresses as addresses, and for names as names, Tor's included", arguments: [Int.max, 1])
    func socks(step: Int) throws {
        let onion = Array("\(Self.onion).onion".utf8)
        let targets: [(String, [UInt8])] = [
            ("/ip4/1.2.3.4/tcp/258", [1, 1, 2, 3, 4, 1, 2]),
            ("/ip6/::1/tcp/258", [4] + [UInt8](repeating: 0, count: 15) + [1, 1, 2]),
            ("/dns6/a.b/tcp/258", [3, 3] + Array("a.b".utf8) + [1, 2]),
            ("/onion3/\(Self.onion):258", [3, UInt8(onion.count)] + onion + [1, 2]),
        ]
        let bounds: [[UInt8]] = [[1, 9, 9, 9, 9], [4] + [UInt8](repeating: 9, count: 16), [3, 2, 9, 9], [3, 0]]
        for (target, encoded) in targets {
            for bound in bounds {
                let ran = try self.run(
                    try self.dialogue("socks5://127.0.0.1", target), [[5, 0], [5, 0, 0] + bound + [0, 0, 7, 7]], step: step)
                #expect(ran.sent == [[5, 1, 0], [5, 1, 0] + encoded])
                #expect(ran.left == [7, 7])
            }
        }
    }

    @Test("SOCKS says who we are when asked", arguments: [Int.max, 1])
    func socksPassword(step: Int) throws {
        let dialogue = try self.dialogue("socks5://me:pw@127.0.0.1", "/ip4/1.2.3.4/tcp/1")
        let ran = try self.run(dialogue, [[5, 2], [1, 0], [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]], step: step)
        #expect(ran.sent == [[5, 2, 0, 2], [1, 2, 0x6d, 0x65, 2, 0x70, 0x77], [5, 1, 0, 1, 1, 2, 3, 4, 0, 1]])
        #expect(ran.left == [])
    }

    @Test(
        "Each way that SOCKS fails is told apart",
        arguments: [
            ([[4]], "does not speak SOCKS 5"), ([[72, 84]], "does not speak SOCKS 5"), ([[5, 0xff]], "neither strangers"),
            ([[5, 7]], "was not offered"), ([[5, 2], [1, 1]], "does not accept"), ([[5, 2], [5, 0]], "does not speak SOCKS 5"),
            ([[5, 0], [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]], "connection refused"), ([[5, 0], [5, 99, 0, 3, 0, 0, 0]], "reason 99"),
        ] as [([[UInt8]], String)])
    func socksFailures(answers: [[UInt8]], reason: String) throws {
        let dialogue = try self.dialogue("socks5://me:pw@127.0.0.1", "/ip4/1.2.3.4/tcp/1")
        for step in [Int.max, 1] {
            let error = #expect(throws: ProxyError.self) { try self.run(dialogue, answers, step: step) }
            #expect(error?.message.contains(reason) == true, "\(String(describing: error))")
        }
    }

    @Test("A proxy is never asked for what is not TCP, or what could break its protocol")
    func targets() throws {
        for text in [
            "/ip4/1.2.3.4/udp/1/quic-v1", "/ip4/1.2.3.4/tcp/1/ws", "/ip6zone/lo/ip6/fe80::1/tcp/1", "/dnsaddr/a", "/memory/1",
            "/onion3/\(Self.onion):1/ws",
        ] {
            #expect(ProxyTarget(try Multiaddr(text)) == nil)
        }
        for name in ["a b", "a\r\nX: y", "ü.example", String(repeating: "a", count: 254)] {
            guard let component = try? MultiaddrComponent(.dns, text: name), let address = try? Multiaddr([component, .tcp(1)]) else {
                continue
            }
            #expect(ProxyTarget(address) == nil, "\(name)")
        }
    }

    @Test("The handler hands over what stands behind the proxy's answer, and reports a proxy that hangs up")
    func handler() throws {
        let proxy = try ProxyURL("http://127.0.0.1")
        let target = try #require(ProxyTarget(Multiaddr("/ip4/1.2.3.4/tcp/1")))
        let channel = EmbeddedChannel()
        let promise = channel.eventLoop.makePromise(of: Void.self)
        ProxyDialing(proxy: proxy, target: target).prepare(channel, promise: promise)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        #expect(try channel.readOutbound(as: ByteBuffer.self) != nil)
        try channel.writeInbound(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\nabc"))
        try promise.futureResult.wait()
        #expect(try channel.readInbound(as: ByteBuffer.self) == ByteBuffer(string: "abc"))

        let gone = EmbeddedChannel()
        let failing = gone.eventLoop.makePromise(of: Void.self)
        ProxyDialing(proxy: proxy, target: target).prepare(gone, promise: failing)
        try gone.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        _ = try gone.finish()
        #expect(throws: TransportError(.unreachable, "")) { try failing.futureResult.wait() }
    }

    @Test("Whatever is dialled, only the proxy is connected to, and a missing proxy is named")
    func onlyTheProxy() async throws {
        let transport = ProxiedTransport(through: ProxySetting(try ProxyURL("socks5://127.0.0.1:1")), over: TCPTransport())
        let options = DialOptions(deadline: .now() + .seconds(10))
        for text in ["/dns4/does-not-exist.invalid/tcp/1", "/ip4/127.0.0.1/tcp/2", "/onion3/\(Self.onion):1"] {
            let address = try Multiaddr(text)
            #expect(transport.canDial(address))
            let error = await #expect(throws: TransportError(.unreachable, "")) {
                try await transport.connect(to: address, options: options)
            }
            #expect(error?.message.contains("socks5 proxy at /ip4/127.0.0.1/tcp/1") == true)
        }
        #expect(!transport.canDial(Multiaddr("/ip4/127.0.0.1/udp/1/quic-v1")))
    }

    @Test("Where a named proxy is, is not asked about as if the address led there")
    func placeOfTheProxy() async throws {
        let transport = ProxiedTransport(through: ProxySetting(try ProxyURL("socks5://localhost:1")), over: TCPTransport())
        var options = DialOptions(deadline: .now() + .seconds(10))
        options.mayReach = { (_: IPAddress) async throws(TransportError) in throw TransportError(.gated, "it was asked about") }
        let error = await #expect(throws: TransportError.self) {
            try await transport.connect(to: try Multiaddr("/dns/example.org/tcp/1"), options: options)
        }
        #expect(error?.code == .unreachable)
    }

    @Test("Through a proxy there is no local address to dial from, and no simultaneous connect")
    func unsupportedOptions() async throws {
        let transport = ProxiedTransport(through: ProxySetting(try ProxyURL("socks5://127.0.0.1:1")), over: TCPTransport())
        let local = try Multiaddr("/ip4/127.0.0.1/tcp/0")
        for options in [
            DialOptions(deadline: .now() + .seconds(10), localAddress: local),
            DialOptions(deadline: .now() + .seconds(10), role: .listener),
        ] {
            await #expect(throws: TransportError(.unsupportedOptions, "")) {
                try await transport.connect(to: try Multiaddr("/ip4/127.0.0.1/tcp/2"), options: options)
            }
        }
    }
}
