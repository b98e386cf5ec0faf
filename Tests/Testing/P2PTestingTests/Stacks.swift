import NIOPosix
import P2PCore
import P2PIdentity
import P2PMemory
import P2PMplex
import P2PMultiaddr
import P2PNoise
import P2PPipeline
import P2PPlaintext
import P2PTCP
import P2PTLS
import P2PTesting
import P2PWebSocket
import P2PYamux
import Testing

/// A secure channel to test, with what it can do.
struct SecurityUnderTest: Sendable, CustomTestStringConvertible {
    let name: String
    var hasEarlyMuxers = true
    var hasAppMetadata = true
    var authenticatesRecords = true
    /// Bytes of a handshake that its spec tells receivers to ignore.
    var isIgnored: @Sendable ([UInt8], Int) -> Bool = { _, _ in false }
    /// By how many bytes one handshake may differ from the next.
    var lengthVariation = 0
    let make: @Sendable (PrivateKey, [UInt8]) async throws -> any SecureChannel

    /// Every secure channel there is: a new one is one line.
    static let all =
        [
            SecurityUnderTest(name: "noise") { try await NoiseSecurity.make(identity: $0, metadata: $1) },
            SecurityUnderTest(name: "plaintext", hasEarlyMuxers: false, hasAppMetadata: false, authenticatesRecords: false) { key, _ in
                PlaintextSecurity(insecurelyClaiming: key.publicKey)
            },
        ] + optional

    #if TLS
        private static let optional = [
            // Each side signs once, and the two integers of its ECDSA signature lose their leading zeros.
            SecurityUnderTest(name: "tls", isIgnored: Self.isLegacyVersion, lengthVariation: 12) {
                try await TLSSecurity.make(identity: $0, metadata: $1)
            }
        ]
    #else
        private static let optional: [SecurityUnderTest] = []
    #endif

    var testDescription: String { self.name }

    var suite: SecureChannelConformance {
        var suite = SecureChannelConformance(
            hasEarlyMuxers: self.hasEarlyMuxers, hasAppMetadata: self.hasAppMetadata, authenticatesRecords: self.authenticatesRecords,
            self.make)
        suite.isIgnored = self.isIgnored
        suite.lengthVariation = self.lengthVariation
        return suite
    }

    /// The version in the header of a TLS record, which "MUST be ignored for all purposes" (RFC 8446, section 5.1).
    @Sendable private static func isLegacyVersion(_ flight: [UInt8], _ index: Int) -> Bool {
        var start = 0
        while start + 5 <= flight.count {
            if index == start + 1 || index == start + 2 { return true }
            start += 5 + Int(flight[start + 3]) << 8 + Int(flight[start + 4])
        }
        return false
    }
}

/// A stream muxer to test, with what it can do.
struct MuxerUnderTest: Sendable, CustomTestStringConvertible {
    let name: String
    var hasFlowControl = true
    var hasGoodbye = true
    var concurrentStreams = 200
    var backlog = 256
    var streamLimit = 512
    let muxer: any StreamMuxer

    /// Every stream muxer there is.
    static let all = [
        MuxerUnderTest(name: "yamux", muxer: Yamux()),
        MuxerUnderTest(
            name: "mplex", hasFlowControl: false, hasGoodbye: false, concurrentStreams: 60, backlog: 64, streamLimit: 128, muxer: Mplex()),
    ]

    var testDescription: String { self.name }

    func suite(_ connect: @escaping @Sendable () async throws -> MuxerConformance.Pair) -> MuxerConformance {
        var suite = MuxerConformance(hasFlowControl: self.hasFlowControl, hasGoodbye: self.hasGoodbye, connect)
        suite.concurrentStreams = self.concurrentStreams
        suite.backlog = self.backlog
        suite.streamLimit = self.streamLimit
        return suite
    }
}

/// A byte transport to test, with addresses for it.
struct BytesUnderTest: Sendable, CustomTestStringConvertible {
    let name: String
    let listen: String
    let dead: String
    let foreign: String
    let make: @Sendable (MemoryNetwork) -> any ByteTransport

    /// Every byte transport there is. Port 1 is privileged, and nobody listens there.
    static let all = [
        BytesUnderTest(name: "memory", listen: "/memory/0", dead: "/memory/4711", foreign: "/ip4/127.0.0.1/tcp/1") {
            MemoryByteTransport(network: $0, group: MultiThreadedEventLoopGroup.singleton)
        },
        BytesUnderTest(name: "tcp", listen: "/ip4/127.0.0.1/tcp/0", dead: "/ip4/127.0.0.1/tcp/1", foreign: "/memory/1") { _ in
            TCPTransport()
        },
        BytesUnderTest(
            name: "ws", listen: "/ip4/127.0.0.1/tcp/0/ws", dead: "/ip4/127.0.0.1/tcp/1/ws", foreign: "/ip4/127.0.0.1/tcp/1"
        ) { _ in
            WebSocketTransport(over: TCPTransport())
        },
        BytesUnderTest(name: "shared", listen: "/ip4/127.0.0.1/tcp/0", dead: "/ip4/127.0.0.1/tcp/1", foreign: "/memory/1") { _ in
            SharedPortTransport(over: TCPTransport(), configuration: WebSocketConfiguration())
        },
    ]

    var testDescription: String { self.name }
}

/// A way to a multiplexed connection: a secure channel, a muxer and what carries them.
struct StackUnderTest: Sendable, CustomTestStringConvertible {
    let security: SecurityUnderTest
    let muxer: MuxerUnderTest
    let bytes: BytesUnderTest
    /// What lies below everything else.
    var protector: (any ConnectionProtector)?

    /// Some, for what a private network might change.
    static let inPrivateNetworks = Self.all.filter { ["memory-tls-yamux", "tcp-noise-yamux"].contains($0.testDescription) }

    /// Each of each.
    static let all = BytesUnderTest.all.flatMap { bytes in
        SecurityUnderTest.all.flatMap { security in
            MuxerUnderTest.all.map { StackUnderTest(security: security, muxer: $0, bytes: bytes) }
        }
    }

    var testDescription: String { "\(self.bytes.name)-\(self.security.name)-\(self.muxer.name)" }

    /// A node of a fresh identity.
    func node(in network: MemoryNetwork) async throws -> TransportConformance.Node {
        let key = try PrivateKey.generate(.ed25519)
        let peer = PeerID(key.publicKey)
        let upgrader = Upgrader(
            localPeer: peer, protector: self.protector, security: [try await self.security.make(key, [])], muxers: [self.muxer.muxer],
            windowBudget: MemoryBudget(limit: 64 << 20))
        return TransportConformance.Node(peer: peer, transport: UpgradingTransport(self.bytes.make(network), upgrader: upgrader))
    }

    /// Both ends of a fresh connection.
    func pair() async throws -> MuxerConformance.Pair {
        let network = MemoryNetwork()
        let (one, two) = (try await self.node(in: network), try await self.node(in: network))
        return try await TransportConformance.connect(
            one.transport, to: two.transport, listeningOn: Multiaddr(self.bytes.listen), expecting: two.peer)
    }
}
