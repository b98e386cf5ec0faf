import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import Synchronization
import Testing

@testable import P2PAutoNAT

@Suite("A server of AutoNAT")
struct ServerTests {
    /// Dials nobody, and says what it was asked for.
    private final class Dialer: DialBackDialer {
        let dialled = Mutex<[Multiaddr]>([])
        let answer: PeerConnection?

        init(answer: PeerConnection? = nil) { self.answer = answer }

        func canDial(_ address: Multiaddr) -> Bool { address.tcpEndpoint != nil || address.udpEndpoint != nil }

        func dial(_ peer: PeerID, at addresses: [Multiaddr], within timeout: Duration) async throws(DialError) -> PeerConnection {
            self.dialled.withLock { $0 += addresses }
            guard let answer = self.answer else { throw DialError(.allAddressesFailed, "no") }
            return answer
        }

        func run() async throws {}
    }

    private static func connection(from address: Multiaddr, isLimited: Bool = false) throws -> PeerConnection {
        let sample = try ConnectionInfo.sample(role: .listener)
        let info = ConnectionInfo(
            role: .listener, localPeer: sample.localPeer, remotePeer: sample.remotePeer, remoteKey: sample.remoteKey,
            localAddress: "/ip4/45.33.0.1/tcp/1", remoteAddress: address, security: "/s", muxer: "/m", isLimited: isLimited)
        return LoopbackPeer(ClosureHandler(["/none/1"]) { _, _ in }, on: info).peerConnection
    }

    private static func ask(
        _ server: some ProtocolHandler, _ message: ByteBuffer, on connection: PeerConnection
    ) async throws -> ByteBuffer? {
        let pair = StreamPair()
        async let served = server.serve(pair.listener, on: connection)
        try await pair.dialer.writeMessage(message)
        let answer = try? await pair.dialer.readMessage(upTo: 8_192)
        pair.dialer.reset()
        _ = await served
        return answer
    }

    @Test("The first version dials the client's own address alone, whatever the client says")
    func version1() async throws {
        let connection = try Self.connection(from: "/ip4/45.33.0.21/tcp/50000")
        let dialer = Dialer(answer: try Self.connection(from: "/ip4/45.33.0.21/tcp/4001"))
        let dial = AutoNATv1Message(
            .dial(
                peer: connection.remotePeer.bytes,
                addresses: [
                    "/ip4/45.33.9.9/tcp/4001", "/ip4/192.168.1.7/udp/4001/quic-v1", "/ip4/45.33.0.21/tcp/0", "/dns4/victim.example/tcp/1",
                    "/ip4/45.33.0.1/tcp/1/p2p-circuit",
                ]))
        let answer = try #require(try await Self.ask(AutoNATv1Server(dialer: dialer), dial.bytes, on: connection))
        #expect(try AutoNATv1Message(reading: answer).body == .response(.ok, text: "", address: "/ip4/45.33.0.21/tcp/4001"))
        #expect(
            dialer.dialled.withLock { $0 } == ["/ip4/45.33.0.21/tcp/4001", "/ip4/45.33.0.21/udp/4001/quic-v1", "/ip4/45.33.0.21/tcp/50000"])
    }

    @Test("Nobody is dialled for a stranger, over a relay, or on a private network")
    func version1Refusals() async throws {
        let dialer = Dialer()
        let server = AutoNATv1Server(dialer: dialer)
        for (connection, peer, status): (PeerConnection, [UInt8]?, AutoNATv1Message.Status) in [
            (try Self.connection(from: "/ip4/45.33.0.21/tcp/5"), [1, 2, 3], .badRequest),
            (try Self.connection(from: "/ip4/45.33.0.21/tcp/5", isLimited: true), nil, .dialRefused),
            (try Self.connection(from: "/ip4/10.0.0.2/tcp/5"), nil, .dialRefused),
            (try Self.connection(from: "/ip4/127.0.0.1/tcp/5"), nil, .dialRefused),
        ] {
            let dial = AutoNATv1Message(.dial(peer: peer ?? connection.remotePeer.bytes, addresses: ["/ip4/45.33.0.21/tcp/4001"]))
            let answer = try #require(try await Self.ask(server, dial.bytes, on: connection))
            guard case .response(let said, _, _) = try AutoNATv1Message(reading: answer).body else {
                Issue.record("no response")
                continue
            }
            #expect(said == status)
        }
        #expect(dialer.dialled.withLock { $0 }.isEmpty)
    }

    @Test(
        "The second version dials the first address that it may, and asks for data before any that is not the client's",
        arguments: [
            (asked: ["/ip4/45.33.0.21/tcp/4001"], index: Int?(0), isForeign: false),
            (["/ip4/10.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/1", "/ip4/224.0.0.1/tcp/1", "/ip4/45.33.0.21/udp/22/quic-v1"], 3, false),
            (["/ip4/45.33.9.9/tcp/22", "/ip4/45.33.9.9/tcp/25", "/ip4/45.33.9.9/tcp/0", "/ip4/45.33.9.9/tcp/443"], 3, true),
            (["/dns4/victim.example/tcp/4001", "/ip4/45.33.9.9/tcp/4001/p2p-circuit"], nil, false), ([], nil, false),
            (["/ip6/2a01:4f8::1/tcp/4001"], 0, true), (["/ip6/::ffff:10.0.0.1/tcp/4001"], nil, false),
        ])
    func choice(_ row: (asked: [String], index: Int?, isForeign: Bool)) throws {
        let asked = try row.asked.map { try Multiaddr($0) }
        let chosen = DialBackChoice.first(
            of: asked, observed: "/ip4/45.33.0.21/tcp/50000", mayDialForeign: { true },
            canDial: { $0.tcpEndpoint != nil || $0.udpEndpoint != nil })
        #expect(chosen?.index == row.index && chosen?.isForeign ?? false == row.isForeign)
    }

    @Test("The second version tells what came of it, and sends the number on the connection that it has made")
    func version2() async throws {
        let nonces = Mutex<[UInt64]>([])
        let info = try Self.connection(from: "/ip4/45.33.0.21/tcp/4001").info
        let client = LoopbackPeer(
            ClosureHandler([AutoNATProtocols.version2DialBack]) { stream, _ in
                guard let message = try await stream.readMessage(upTo: 100) else { return }
                let nonce = try DialBackMessage.nonce(in: message)
                nonces.withLock { $0.append(nonce) }
                try await stream.writeMessage(ByteBuffer())
            }, on: info)
        let server = AutoNATv2Server(dialer: Dialer(answer: client.peerConnection))
        let connection = try Self.connection(from: "/ip4/45.33.0.21/tcp/50000")
        let request = AutoNATv2Message.dialRequest(["/ip4/10.0.0.1/tcp/1", "/ip4/45.33.0.21/tcp/4001"], nonce: 42)
        let answer = try #require(try await Self.ask(server, request.bytes, on: connection))
        #expect(try AutoNATv2Message(reading: answer) == .dialResponse(.ok, address: 1, .ok))
        #expect(nonces.withLock { $0 } == [42])
        let failing = AutoNATv2Server(dialer: Dialer())
        let failure = try #require(try await Self.ask(failing, request.bytes, on: connection))
        #expect(try AutoNATv2Message(reading: failure) == .dialResponse(.ok, address: 1, .dialError))
    }

    @Test(
        "Dial data is paid before a foreign address is dialled; whoever pays in bits is reset, and nobody is dialled",
        arguments: [4_000, 1])
    func dialData(piece: Int) async throws {
        let dialer = Dialer()
        let pair = StreamPair()
        let connection = try Self.connection(from: "/ip4/45.33.0.21/tcp/50000")
        let server = AutoNATv2Server(dialer: dialer)
        async let served = server.serve(pair.listener, on: connection)
        try await pair.dialer.writeMessage(AutoNATv2Message.dialRequest(["/ip4/45.33.9.9/tcp/4001"], nonce: 1).bytes)
        let asked = try #require(try await pair.dialer.readMessage(upTo: 8_192))
        guard case .dialDataRequest(address: 0, let wanted) = try AutoNATv2Message(reading: asked) else {
            Issue.record("no data was asked for")
            return
        }
        #expect(AutoNATv2Message.dialData.contains(wanted))
        #expect(dialer.dialled.withLock { $0 }.isEmpty)
        var left = Int(wanted)
        while left > 0, (try? await pair.dialer.writeMessage(AutoNATv2Message.dialData(piece).bytes)) != nil { left -= piece }
        let answer = try? await pair.dialer.readMessage(upTo: 8_192)
        _ = await served
        #expect((answer == nil) == (piece == 1))
        #expect(dialer.dialled.withLock { $0 } == (piece == 1 ? [] : ["/ip4/45.33.9.9/tcp/4001"]))
    }

    @Test("Nobody asks too often: in a minute, of one peer, at once, and for foreign addresses")
    func ledger() throws {
        var ledger = AutoNATLedger(.version2)
        let peers = try (0..<10).map { _ in PeerID(try PrivateKey.generate(.ed25519).publicKey) }
        let start = NIODeadline.uptimeNanoseconds(1)
        #expect(ledger.begin(peers[0], at: start) && ledger.begin(peers[0], at: start) && !ledger.begin(peers[0], at: start))
        ledger.end(peers[0])
        ledger.end(peers[0])
        ledger.end(peers[0])
        var taken = 2
        for _ in 0..<1_000 where ledger.begin(peers[0], at: start) {
            taken += 1
            ledger.end(peers[0])
        }
        #expect(taken == 12)
        for peer in peers.dropFirst() {
            for _ in 0..<1_000 where ledger.begin(peer, at: start) {
                taken += 1
                ledger.end(peer)
            }
        }
        #expect(taken == 60 && ledger.activePeers == 0)
        #expect((0..<100).filter { _ in ledger.mayDialForeign(at: start) }.count == 12)
        #expect(ledger.begin(peers[0], at: start + .minutes(1)) && ledger.mayDialForeign(at: start + .minutes(1)))
    }
}
