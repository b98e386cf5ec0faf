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
    @Suite("Byte transports under the upgrader keep the contract of a transport")
    struct TransportConformanceTests {
        private static func noise(_ key: PrivateKey) async throws -> any SecureChannel { try await NoiseSecurity.make(identity: key) }
        private static func tls(_ key: PrivateKey) async throws -> any SecureChannel { try await TLSSecurity.make(identity: key) }

        private static func node(
            _ bytes: any ByteTransport, security: (PrivateKey) async throws -> any SecureChannel = Self.noise,
            in privateNetwork: PreSharedKey? = nil
        ) async throws -> TransportConformance.Node {
            let key = try PrivateKey.generate(.ed25519)
            let peer = PeerID(key.publicKey)
            let upgrader = Upgrader(
                localPeer: peer, protector: try privateNetwork.map { try PrivateNetwork(key: $0) },
                security: [try await security(key)], muxers: [Yamux()],
                windowBudget: MemoryBudget(limit: 64 << 20))
            return TransportConformance.Node(peer: peer, transport: UpgradingTransport(bytes, upgrader: upgrader))
        }

        @Test("In memory, each case", arguments: TransportConformance.Case.allCases)
        func memory(_ conformanceCase: TransportConformance.Case) async throws {
            let network = MemoryNetwork()
            try await TransportConformance(
                listenAddress: Multiaddr("/memory/0"), deadAddress: Multiaddr("/memory/4711"),
                foreignAddress: Multiaddr("/ip4/127.0.0.1/tcp/1")
            ) {
                try await Self.node(MemoryByteTransport(network: network, group: MultiThreadedEventLoopGroup.singleton))
            }.run(conformanceCase)
        }

        @Test("In memory with TLS, each case", arguments: TransportConformance.Case.allCases)
        func memoryTLS(_ conformanceCase: TransportConformance.Case) async throws {
            let network = MemoryNetwork()
            try await TransportConformance(
                listenAddress: Multiaddr("/memory/0"), deadAddress: Multiaddr("/memory/4711"),
                foreignAddress: Multiaddr("/ip4/127.0.0.1/tcp/1")
            ) {
                try await Self.node(
                    MemoryByteTransport(network: network, group: MultiThreadedEventLoopGroup.singleton), security: Self.tls)
            }.run(conformanceCase)
        }

        @Test("Over TCP with TLS, each case", arguments: TransportConformance.Case.allCases)
        func tcpTLS(_ conformanceCase: TransportConformance.Case) async throws {
            try await TransportConformance(
                listenAddress: Multiaddr("/ip4/127.0.0.1/tcp/0"), deadAddress: Multiaddr("/ip4/127.0.0.1/tcp/1"),
                foreignAddress: Multiaddr("/memory/1")
            ) {
                try await Self.node(TCPTransport(), security: Self.tls)
            }.run(conformanceCase)
        }

        @Test("Over TCP, each case", arguments: TransportConformance.Case.allCases)
        func tcp(_ conformanceCase: TransportConformance.Case) async throws {
            // Port 1 is privileged, and nobody listens there.
            try await TransportConformance(
                listenAddress: Multiaddr("/ip4/127.0.0.1/tcp/0"), deadAddress: Multiaddr("/ip4/127.0.0.1/tcp/1"),
                foreignAddress: Multiaddr("/memory/1")
            ) {
                try await Self.node(TCPTransport())
            }.run(conformanceCase)
        }

        #if Sodium
            @Test("With TLS in memory in a private network, each case", arguments: TransportConformance.Case.allCases)
            func privateMemory(_ conformanceCase: TransportConformance.Case) async throws {
                let (network, key) = (MemoryNetwork(), PreSharedKey.generate())
                try await TransportConformance(
                    listenAddress: Multiaddr("/memory/0"), deadAddress: Multiaddr("/memory/4711"),
                    foreignAddress: Multiaddr("/ip4/127.0.0.1/tcp/1")
                ) {
                    try await Self.node(
                        MemoryByteTransport(network: network, group: MultiThreadedEventLoopGroup.singleton), security: Self.tls, in: key)
                }.run(conformanceCase)
            }

            @Test("With Noise over TCP in a private network, each case", arguments: TransportConformance.Case.allCases)
            func privateTCP(_ conformanceCase: TransportConformance.Case) async throws {
                let key = PreSharedKey.generate()
                try await TransportConformance(
                    listenAddress: Multiaddr("/ip4/127.0.0.1/tcp/0"), deadAddress: Multiaddr("/ip4/127.0.0.1/tcp/1"),
                    foreignAddress: Multiaddr("/memory/1")
                ) {
                    try await Self.node(TCPTransport(), in: key)
                }.run(conformanceCase)
            }
        #endif
    }
}
