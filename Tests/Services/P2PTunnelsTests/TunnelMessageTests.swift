import NIOCore
import P2PCore
import P2PIdentity
import P2PProtocolTesting
import Testing

@testable import P2PTunnels

@Suite("What tunnels say, and what they are called")
struct TunnelMessageTests {
    @Test("A request is read as it was written")
    func open() throws {
        var request = TunnelOpen(.tcp, host: "2001:db8::1", port: 443, idleSeconds: 90)
        request.datagrams = true
        #expect(try TunnelOpen(request.encoded) == request)
        #expect(try TunnelOpen(TunnelOpen(.service, name: "/x/ssh").encoded) == TunnelOpen(.service, name: "/x/ssh"))
    }

    @Test("The bytes are those of the draft")
    func bytes() {
        let request = TunnelOpen(.udp, host: "a.b", port: 53).encoded
        #expect(Array(request.readableBytesView) == [0x08, 0x02, 0x12, 0x03, 0x61, 0x2e, 0x62, 0x18, 0x35])
        #expect(Array(TunnelResult.ok.encoded.readableBytesView) == [])
        #expect(Array(TunnelResult(code: 5, message: "x").encoded.readableBytesView) == [0x08, 0x05, 0x12, 0x01, 0x78])
    }

    @Test("Unknown fields are skipped, an unknown network is none")
    func tolerance() throws {
        let request = try TunnelOpen(ByteBuffer(bytes: [0x08, 0x63, 0x7a, 0x01, 0x00, 0x90, 0x01, 0x05, 0x35, 1, 2, 3, 4]))
        #expect(request.network == nil)
    }

    @Test(
        "What is no request is refused",
        arguments: [
            [0x08], [0x12, 0x05, 0x61], [0x18, 0x80, 0x80, 0x04], [0x0a, 0x01, 0x61], [0x12, 0x02, 0xff, 0xfe], [0x0b], [0x12, 0x01, 0x0a],
        ])
    func malformed(bytes: [UInt8]) {
        #expect(throws: TunnelFields.Malformed.self) { try TunnelOpen(ByteBuffer(bytes: bytes)) }
    }

    @Test("A peer may ask for less idle time than is configured, never for more")
    func idle() {
        var configuration = TunnelConfiguration()
        #expect(configuration.streamSilence(asked: nil) == nil)
        #expect(configuration.streamSilence(asked: .seconds(9_000)) == .seconds(9_000))
        configuration.idle = .seconds(60)
        #expect(configuration.streamSilence(asked: nil) == .seconds(60))
        #expect(configuration.streamSilence(asked: .seconds(9_000)) == .seconds(60))
        #expect(configuration.streamSilence(asked: .seconds(5)) == .seconds(5))
        #expect(configuration.datagramSilence(asked: nil) == .seconds(120))
        #expect(configuration.datagramSilence(asked: .seconds(4_294_967_295)) == .seconds(120))
        #expect(configuration.datagramSilence(asked: .seconds(5)) == .seconds(5))
    }

    @Test("A refusal says its code; what is not granted says no more, and no text is longer than agreed on")
    func results() throws {
        let denied = TunnelResult(TunnelError(.denied, "because of rule 7"))
        #expect(denied.code == 1 && denied.message == "permission denied")
        let codes: [(TunnelError.Code, UInt64)] = [
            (.badRequest, 2), (.unresolvable, 3), (.unreachable, 4), (.refused, 5), (.timedOut, 6), (.busy, 7), (.unsupported, 8),
            (.failed, 9),
            (.broken, 9),
        ]
        for (code, number) in codes { #expect(TunnelResult(TunnelError(code, "")).code == number) }
        let long = try TunnelResult(TunnelResult(code: 4, message: String(repeating: "ü", count: 500)).encoded)
        #expect(long.message.utf8.count == 256)
        #expect(long.error?.code == .unreachable)
        #expect(TunnelResult(code: 9, message: "a\u{1b}[2J\r\nb\u{202e}\u{7f}\u{85}c").error?.message == "a[2Jbc")
        #expect(TunnelResult(code: 9, message: "\u{07}").error?.message == "the peer opened no tunnel (9)")
        #expect(TunnelResult(code: 9, message: String(repeating: "ü", count: 500)).error?.message.utf8.count == 256)
        #expect(TunnelResult.ok.error == nil)
        #expect(TunnelResult(code: 77).error?.code == .failed)
    }

    @Test(
        "Names of services",
        arguments: [
            "/x/ssh": true, "/x/a/b.c_d-E": true, "/x/": false, "/x/a//b": false, "/y/a": false, "/x/a b": false, "x/a": false,
            "/x/ü": false,
        ])
    func names(text: String, isName: Bool) {
        #expect((TunnelName(text) != nil) == isName)
        #expect(TunnelName("/x/" + String(repeating: "a", count: 65)) == nil)
    }

    @Test(
        "Ends of tunnels",
        arguments: [
            "127.0.0.1:22": true, "[::1]:0": true, "host.example:1": true, "unix:/a b": true, "::1:22": false, "[127.0.0.1]:1": false,
            "a:": false,
            "a:65536": false, "a:+1": false, ":1": false, "unix:": false, "22": false,
        ])
    func endpoints(text: String, isEndpoint: Bool) {
        #expect((TunnelEndpoint(text)?.description == text) == isEndpoint)
    }

    @Test("Hosts below .p2p are services of peers, by ids that survive lower case")
    func destinations() throws {
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        #expect(SOCKSDestination(host: "ssh.\(peer.cid).p2p", port: 22) == .service(peer, name: "ssh"))
        #expect(SOCKSDestination(host: "A.b.\(peer.cid.uppercased()).P2P.", port: 22) == .service(peer, name: "A/b"))
        #expect(SOCKSDestination(host: "\(peer.cid).p2p", port: 80) == .service(peer, name: "80"))
        #expect(SOCKSDestination(host: "ssh.nobody.p2p", port: 22) == nil)
        #expect(SOCKSDestination(host: "p2p.example", port: 22) == .target(host: "p2p.example", port: 22))
    }

    @Test("A target is told of the peer as it wants to be")
    func introductions() throws {
        let connection = try ConnectionInfo.sample()
        #expect(TunnelService.Introduction.none.preface(for: connection) == nil)
        #expect(TunnelService.Introduction.line.preface(for: connection) == ByteBuffer(string: "\(connection.remotePeer)\n"))
        let header = try #require(TunnelService.Introduction.proxy.preface(for: connection))
        let id = Array("\(connection.remotePeer)".utf8)
        let fixed: [UInt8] = [
            0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x00, 0, UInt8(id.count + 3), 0xe0, 0,
            UInt8(id.count),
        ]
        #expect(Array(header.readableBytesView) == fixed + id)
    }
}
