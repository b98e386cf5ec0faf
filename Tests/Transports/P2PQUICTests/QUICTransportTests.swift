import NIOCore
import NIOPosix
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PTesting
import Testing

@testable import P2PQUIC

@Suite("QUIC transport")
struct QUICTransportTests {
    @Test(
        "It takes IP addresses, a UDP port and quic-v1, and nothing behind them but a peer",
        arguments: [
            ("/ip4/127.0.0.1/udp/4001/quic-v1", true),
            ("/ip6/::1/udp/4001/quic-v1", true),
            ("/ip6zone/lo/ip6/fe80::1/udp/4001/quic-v1", true),
            ("/ip4/127.0.0.1/udp/4001/quic-v1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA", true),
            ("/ip4/127.0.0.1/udp/4001/quic-v1/webtransport", false),
            ("/ip4/127.0.0.1/udp/4001/quic", false),
            ("/ip4/127.0.0.1/udp/4001", false),
            ("/ip4/127.0.0.1/tcp/4001", false),
            ("/memory/1", false),
        ])
    func forms(text: String, isTaken: Bool) async throws {
        let transport = try await QUICTransport.make(identity: try PrivateKey.generate(.ed25519))
        let address = try Multiaddr(text)
        #expect(transport.canDial(address) == isTaken)
        #expect(transport.canListen(on: address) == isTaken)
    }

    @Test("Names are for dialing", arguments: ["dns", "dns4", "dns6"])
    func names(kind: String) async throws {
        let transport = try await QUICTransport.make(identity: try PrivateKey.generate(.ed25519))
        let address = try Multiaddr("/\(kind)/example.com/udp/4001/quic-v1")
        #expect(transport.canDial(address))
        #expect(!transport.canListen(on: address))
    }

    @Test("One that was told to refuse gives its reason")
    func refusing() async throws {
        let transport = QUICTransport.refusing(because: "the moon is full")
        let address = Multiaddr("/ip4/127.0.0.1/udp/4001/quic-v1")
        #expect(transport.canDial(address))
        do {
            _ = try await transport.listen(on: address)
            Issue.record("it listens")
        } catch {
            #expect(error.code == .unsupportedAddress)
            #expect(error.message == "the moon is full")
        }
        await #expect(throws: TransportError(.unsupportedAddress, "")) {
            try await transport.dial(address, expecting: nil, options: DialOptions(deadline: .now() + .seconds(1)))
        }
    }

    #if QUIC
        private static func node() async throws -> TransportConformance.Node {
            let key = try PrivateKey.generate(.ed25519)
            return TransportConformance.Node(peer: PeerID(key.publicKey), transport: try await QUICTransport.make(identity: key))
        }

        @Test("It keeps the contract of a transport", arguments: TransportConformance.Case.allCases)
        func transport(_ conformanceCase: TransportConformance.Case) async throws {
            try await TransportConformance(
                listenAddress: Multiaddr("/ip4/127.0.0.1/udp/0/quic-v1"), deadAddress: Multiaddr("/ip4/127.0.0.1/udp/1/quic-v1"),
                foreignAddress: Multiaddr("/ip4/127.0.0.1/tcp/1")
            ) { try await Self.node() }.run(conformanceCase)
        }

        @Test("It keeps the contract of a muxer", arguments: MuxerConformance.Case.allCases)
        func muxer(_ conformanceCase: MuxerConformance.Case) async throws {
            try await MuxerConformance {
                let (one, two) = (try await Self.node(), try await Self.node())
                return try await TransportConformance.connect(
                    one.transport, to: two.transport, listeningOn: Multiaddr("/ip4/127.0.0.1/udp/0/quic-v1"), expecting: two.peer)
            }.run(conformanceCase)
        }
    #else
        @Test("Without the library, dialing and listening say which trait is missing")
        func notBuiltIn() async throws {
            let transport = try await QUICTransport.make(identity: try PrivateKey.generate(.ed25519))
            let address = Multiaddr("/ip4/127.0.0.1/udp/4001/quic-v1")
            await #expect(throws: TransportError(.notBuiltIn, "")) {
                try await transport.dial(address, expecting: nil, options: DialOptions(deadline: .now() + .seconds(1)))
            }
            await #expect(throws: TransportError(.notBuiltIn, "")) { try await transport.listen(on: address) }
            do {
                _ = try await transport.listen(on: address)
            } catch {
                #expect(error.message.contains("trait QUIC"))
            }
        }
    #endif
}
