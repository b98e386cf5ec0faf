import NIOCore
import NIOPosix
import P2PCore
import P2PIdentity
import P2PMemory
import P2PMultiaddr
import P2PNoise
import P2PPipeline
import P2PPrivateNetwork
import P2PTCP
import P2PTLS
import P2PTesting
import P2PYamux
import Testing

extension ConformanceTests {
    @Suite("Yamux keeps the contract of a muxer")
    struct YamuxConformanceTests {
        /// Yamux in Noise in memory.
        private static func transport(_ network: MemoryNetwork) async throws -> (peer: PeerID, transport: UpgradingTransport) {
            let key = try PrivateKey.generate(.ed25519)
            let upgrader = Upgrader(
                localPeer: PeerID(key.publicKey), security: [try await NoiseSecurity.make(identity: key)], muxers: [Yamux()],
                windowBudget: MemoryBudget(limit: 64 << 20))
            let bytes = MemoryByteTransport(network: network, group: MultiThreadedEventLoopGroup.singleton)
            return (PeerID(key.publicKey), UpgradingTransport(bytes, upgrader: upgrader))
        }

        private static func pair() async throws -> MuxerConformance.Pair {
            let network = MemoryNetwork()
            let (one, two) = (try await Self.transport(network), try await Self.transport(network))
            return try await TransportConformance.connect(
                one.transport, to: two.transport, listeningOn: Multiaddr("/memory/0"), expecting: two.peer)
        }

        /// Yamux in TLS over the transport that is asked for.
        private static func tlsPair(listeningOn address: String, _ bytes: () -> any ByteTransport) async throws -> MuxerConformance.Pair {
            func transport() async throws -> (peer: PeerID, transport: UpgradingTransport) {
                let key = try PrivateKey.generate(.ed25519)
                let upgrader = Upgrader(
                    localPeer: PeerID(key.publicKey), security: [try await TLSSecurity.make(identity: key)], muxers: [Yamux()],
                    windowBudget: MemoryBudget(limit: 64 << 20))
                return (PeerID(key.publicKey), UpgradingTransport(bytes(), upgrader: upgrader))
            }
            let (one, two) = (try await transport(), try await transport())
            return try await TransportConformance.connect(
                one.transport, to: two.transport, listeningOn: Multiaddr(address), expecting: two.peer)
        }

        @Test("In TLS in memory, each case", arguments: MuxerConformance.Case.allCases)
        func memoryTLS(_ conformanceCase: MuxerConformance.Case) async throws {
            try await MuxerConformance {
                let network = MemoryNetwork()
                return try await Self.tlsPair(listeningOn: "/memory/0") {
                    MemoryByteTransport(network: network, group: MultiThreadedEventLoopGroup.singleton)
                }
            }.run(conformanceCase)
        }

        @Test("In TLS over TCP, each case", arguments: MuxerConformance.Case.allCases)
        func tcpTLS(_ conformanceCase: MuxerConformance.Case) async throws {
            try await MuxerConformance { try await Self.tlsPair(listeningOn: "/ip4/127.0.0.1/tcp/0") { TCPTransport() } }
                .run(conformanceCase)
        }

        @Test("Each case", arguments: MuxerConformance.Case.allCases)
        func muxer(_ conformanceCase: MuxerConformance.Case) async throws {
            try await MuxerConformance { try await Self.pair() }.run(conformanceCase)
        }

        #if Sodium
            /// Yamux in Noise in a private network over TCP.
            private static func privatePair() async throws -> MuxerConformance.Pair {
                let protector = try PrivateNetwork(key: .generate())
                func node() async throws -> (peer: PeerID, transport: UpgradingTransport) {
                    let key = try PrivateKey.generate(.ed25519)
                    let upgrader = Upgrader(
                        localPeer: PeerID(key.publicKey), protector: protector, security: [try await NoiseSecurity.make(identity: key)],
                        muxers: [Yamux()], windowBudget: MemoryBudget(limit: 64 << 20))
                    return (PeerID(key.publicKey), UpgradingTransport(TCPTransport(), upgrader: upgrader))
                }
                let (one, two) = (try await node(), try await node())
                return try await TransportConformance.connect(
                    one.transport, to: two.transport, listeningOn: Multiaddr("/ip4/127.0.0.1/tcp/0"), expecting: two.peer)
            }

            @Test("In a private network over TCP, each case", arguments: MuxerConformance.Case.allCases)
            func privateNetwork(_ conformanceCase: MuxerConformance.Case) async throws {
                try await MuxerConformance { try await Self.privatePair() }.run(conformanceCase)
            }
        #endif
    }
}
