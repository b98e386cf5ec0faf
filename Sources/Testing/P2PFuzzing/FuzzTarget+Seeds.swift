import NIOCore
import P2PCore
import P2PIdentify
import P2PIdentity
import P2PMplex
import P2PMultiaddr
import P2PMultiformats
import P2PNegotiation
import P2PNoise
import P2PPlaintext
import P2PPrivateNetwork
import P2PYamux

extension FuzzTarget {
    /// Inputs to begin with: valid ones, and sequences that reach deep. The same in every run.
    public var seeds: [[UInt8]] {
        switch self {
        case .varint:
            [[0], [0x7f], [0x80, 1], [0x81, 0], [UInt8](repeating: 0xff, count: 8) + [0x7f], [UInt8](repeating: 0xff, count: 10)]
        case .multibase: ["zUXE7GvtEk8XTXs1GF8HSGbVA9FCX9SEBPe", "mEA", "MEA==", "bfy", "F0A", "k51", "9123"].map { Array($0.utf8) }
        case .multihash: [[0x12, 32] + [UInt8](0..<32), [0, 3, 1, 2, 3], [0x13, 64] + [UInt8](0..<64)]
        case .cid: [[1, 0x72, 0, 3, 1, 2, 3], Array(FuzzIdentity.peer.cid.utf8)]
        case .multiaddrBytes: Self.addresses.compactMap { try? Multiaddr($0).bytes }
        case .multiaddrText: Self.addresses.map { Array($0.utf8) }
        case .peerIDBytes: [FuzzIdentity.peer.bytes, [0x12, 32] + [UInt8](0..<32)]
        case .peerIDText: [FuzzIdentity.peer.description, FuzzIdentity.peer.cid].map { Array($0.utf8) }
        case .publicKey: [FuzzIdentity.publicKeyMessage] + FuzzIdentity.otherPublicKeyMessages
        case .privateKey: [FuzzIdentity.privateKeyMessage] + FuzzIdentity.otherPrivateKeyMessages
        case .keyFile: [[1, 0x80] + FuzzIdentity.privateKeyMessage, [1, 0xa0] + FuzzIdentity.privateKeyMessage, [1, 0x80]]
        case .signedEnvelope: [Self.envelope]
        case .peerRecord: [(try? IdentityFuzzing.record.protobufEncoded()) ?? []]
        case .multistream: Self.negotiations
        case .lazyExpectation: Self.answers
        case .certificate: Self.certificates
        case .clientHello:
            [
                [0] + ClientHelloFuzzing.message(offering: ["/yamux/1.0.0", "libp2p"]),
                [3] + ClientHelloFuzzing.message(offering: ["libp2p"], recordSize: 20), [1] + ClientHelloFuzzing.message(offering: []),
            ]
        case .identify: Self.introductions
        case .dnsMessage: MDNSFuzzing.messages
        case .mdnsMachine: MDNSFuzzing.packets
        case .addressList: AddressListFuzzing.seeds
        case .webSocketFrames: [[0, 0] + Self.webSocketWire, [3, 2] + Self.webSocketWire, [0, 1, 0x82, 3, 1, 2, 3]]
        case .webSocketHandshake: [[0] + Array(Self.webSocketAsking.utf8)]
        case .proxyDialogue: ProxyFuzzing.answers
        case .proxiedClient: ProxiedClientFuzzing.seeds
        case .relayMessage:
            [
                [0, 8, 0],
                [0, 8, 2, 40, 100, 34, 5, 8, 120, 16, 128, 8, 26, 9, 8, 200, 1, 18, 4, 1, 2, 3, 4], [1, 8, 0, 18, 4, 10, 2, 1, 2],
                [2, 8, 100, 18, 8, 4, 45, 33, 0, 1, 6, 15, 161], [2, 8, 172, 2],
            ]
        case .relayLedger, .relayPlaces, .punchLedger, .autoNATTracker: Self.sequences(length: 200)
        case .autoNATMessage: AutoNATFuzzing.messages
        case .portMapper: PortMapperFuzzing.seeds + Self.sequences(length: 200)
        case .gatewayReply: PortMapperFuzzing.replies
        case .noisePayload: [Self.payload]
        case .pskFile: Self.keyFiles
        case .privateNetwork: [[1, 3, 0, 0, 1, 2, 3], [1, 1, 0, 30] + [UInt8](0..<200), [0, 5, 0, 0] + [UInt8](0..<64)]
        case .noiseHandshake:
            [[4] + Self.payload, [5] + Self.payload, [6, 1, 0, 40, 1], [6, 2, 0, 0, 0], [1, 3, 0, 32] + [UInt8](0..<40)]
        case .noiseRecords: Self.sequences(length: 60)
        case .yamuxFrames: [[0] + Self.frames, [5] + Self.frames]
        case .mplexFrames: [[0] + Self.framesOfMplex, [1] + Self.framesOfMplex, [0, 7, 0], [0, 2, 0x81, 0x80, 0x40]]
        case .plaintextExchange: [[0, 0] + Self.exchange, [3, 1] + Self.exchange + [1, 2, 3], [0, 0, 0], [0, 0, 0xff, 0x7f]]
        case .quicDatagrams: Self.datagrams + Self.sequences(length: 200)
        case .quicEndpoint: QUICEndpointFuzzing.seeds
        case .quicFrames: QUICFramesFuzzing.seeds
        case .kademliaMessage: KademliaFuzzing.messages
        case .kademliaRecord: KademliaFuzzing.records
        case .kademliaLookup, .kademliaStores, .kademliaSearches, .rendezvousPoint: Self.sequences(length: 200)
        case .rendezvousMessage: RendezvousFuzzing.messages
        case .fetchMessage: RendezvousFuzzing.fetches
        case .byteQueue, .streamBuffer: Self.sequences(length: 120)
        case .yamuxSessions, .yamuxHostile, .yamuxHandler, .yamuxPair, .mplexSession, .mplexPair: Self.sequences(length: 200)
        }
    }

    private static let addresses = [
        "/ip4/127.0.0.1/tcp/4001/p2p/\(FuzzIdentity.peer)", "/ip6zone/eth0/ip6/fe80::1/udp/4001/quic-v1",
        "/dns4/example.com/tcp/443/tls/ws",
        "/ip4/1.2.3.4/udp/9/quic-v1/webtransport/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ",
        "/dnsaddr/bootstrap.libp2p.io/p2p/\(FuzzIdentity.peer)/p2p-circuit", "/unix/run/a%20b.sock", "/memory/name", "/ipcidr/24",
        "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234", "/dns/a/tcp/80/http/http-path/a%2Fb", "/sni/example.com",
        "/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuq", "/ipfs/\(FuzzIdentity.peer)/",
    ]

    /// An Initial, one of another version, and a packet with a short header: for a known connection and for an unknown one.
    private static let datagrams: [[UInt8]] = {
        let ids: [UInt8] = [8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 9, 9, 9, 9]
        let initial: [UInt8] = [0xc3, 0, 0, 0, 1] + ids
        let other: [UInt8] = [0xc3, 0x1a, 0x2a, 0x3a, 0x4a] + ids
        return [
            [4, UInt8(initial.count)] + initial, [4, UInt8(other.count)] + other, [0x10, 0x13, 40] + [UInt8](0..<40),
            [0x13, 40] + [UInt8](0..<40), [0x10, 0x11, 0x13, 3, 1, 2, 3],
        ]
    }()

    /// A binary message in two frames with a ping between them, text, and a close.
    private static let webSocketWire: [UInt8] =
        [
            0x02, 0x82, 1, 2, 3, 4, 5, 6, 0x89, 0x81, 0, 0, 0, 0, 7, 0x80, 0xfe, 0, 126, 0, 0, 0, 0,
        ] + [UInt8](repeating: 9, count: 126) + [0x81, 0x82, 0, 0, 0, 0, 0xc3, 0xbc, 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]

    private static let webSocketAsking = """
        GET /a?b HTTP/1.1\r
        Host: example.org\r
        Upgrade: websocket\r
        Connection: keep-alive, Upgrade\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Version: 13\r
        Origin: https://example.org\r
        \r

        """

    static let envelope = Self.envelope(of: IdentityFuzzing.record, by: FuzzIdentity.publicKeyMessage, FuzzIdentity.sign)

    /// What a peer has signed of itself.
    static func envelope(of record: PeerRecord, by publicKey: [UInt8], _ sign: ([UInt8]) -> [UInt8]) -> [UInt8] {
        // The signature covers domain, payload type and payload, each after its length (RFC 0002).
        let payload = (try? record.protobufEncoded()) ?? []
        let domain = Array(PeerRecord.domain.utf8)
        let covered =
            [UInt8(domain.count)] + domain + [UInt8(PeerRecord.payloadType.count)] + PeerRecord.payloadType + [UInt8(payload.count)]
            + payload
        return Self.field(1, publicKey) + Self.field(2, PeerRecord.payloadType) + Self.field(3, payload) + Self.field(5, sign(covered))
    }

    /// A field of a protobuf message, under 128 bytes.
    private static func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
        content.count < 128
            ? [number << 3 | 2, UInt8(content.count)] + content
            : [number << 3 | 2, UInt8(content.count & 0x7f) | 0x80, UInt8(content.count >> 7)] + content
    }

    private static let negotiations: [[UInt8]] = {
        func said(_ messages: [String]) -> [UInt8] {
            messages.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count + 1)] + Array($0.utf8) + [UInt8(ascii: "\n")] }
        }
        let header = "/multistream/1.0.0"
        return [
            [1, 0x03, 0] + said([header, "ls", "/b", "/yamux/1.0.0"]) + [1, 2, 3], [0, 0x03, 1] + said([header, "na", "/yamux/1.0.0"]),
            [0, 0x01, 0] + said([header, "/noise"]), [2, 0x7f, 3, 0x50], [2, 0x7f, 0, 0], [1, 0, 1, 0x80, 0x80, 0x80],
        ]
    }()

    private static let answers: [[UInt8]] = {
        let entry = NegotiationTable.entry("/noise")
        let refusal = Array(NegotiationTable.header.readableBytesView) + Array(NegotiationTable.notAvailable.readableBytesView)
        return [[0, 0] + Array(entry.opening.readableBytesView) + [9, 9], [0, 1] + refusal, [5, 3] + refusal]
    }()

    private static let introductions: [[UInt8]] = {
        let addresses = Self.addresses.prefix(4).compactMap { try? Multiaddr($0) }
        let introduction = Introduction(
            publicKey: FuzzIdentity.key, listenAddresses: addresses, protocols: ["/ipfs/ping/1.0.0", "/ipfs/id/1.0.0"],
            observedAddress: addresses.first, protocolVersion: "ipfs/0.1.0", agentVersion: "fuzz", signedRecord: Self.envelope)
        guard var message = try? IntroductionWriter.encode(introduction), (try? message.readUnsignedVarint()) != nil else { return [] }
        let bytes = Array(message.readableBytesView)
        return [[0] + bytes, [1, 0, 60] + bytes, [1, UInt8(bytes.count >> 8), UInt8(bytes.count & 0xff)] + bytes + [0, 2, 0x32, 0]]
    }()

    private static let keyFiles: [[UInt8]] = {
        guard let key = try? PreSharedKey(bytes: Array(0..<32)) else { return [] }
        return PreSharedKeyFile.Encoding.allCases.map { PreSharedKeyFile.encode(key, as: $0) }
    }()

    private static let certificates: [[UInt8]] = {
        let words = CertificateFuzzing.element(0x04, [1, 2, 3])
        return [
            [0] + CertificateFuzzing.certificate(extension: CertificateFuzzing.signedKey, metadata: words),
            [1, UInt8(words.count)] + words + CertificateFuzzing.signedKey, [1, 0] + CertificateFuzzing.signedKey,
        ]
    }()

    private static let payload = NoisePayload.make(FuzzIdentity.noise, muxers: ["/yamux/1.0.0"])

    private static let frames: [UInt8] = {
        var buffer = ByteBuffer()
        buffer.writeYamuxHeader(YamuxHeader(type: .windowUpdate, flags: .syn, streamID: 1, length: 0))
        buffer.writeYamuxHeader(YamuxHeader(type: .data, flags: [], streamID: 1, length: 5))
        buffer.writeString("hello")
        buffer.writeYamuxHeader(YamuxHeader(type: .ping, flags: .syn, streamID: 0, length: 7))
        buffer.writeYamuxHeader(YamuxHeader(type: .data, flags: .fin, streamID: 1, length: 0))
        buffer.writeYamuxHeader(YamuxHeader(type: .goAway, flags: [], streamID: 0, length: 0))
        return Array(buffer.readableBytesView)
    }()

    private static let framesOfMplex: [UInt8] = {
        var buffer = ByteBuffer()
        buffer.writeMplexHeader(MplexHeader(.newStream, 0, length: 1))
        buffer.writeString("0")
        buffer.writeMplexHeader(MplexHeader(.messageInitiator, 0, length: 5))
        buffer.writeString("hello")
        buffer.writeMplexHeader(MplexHeader(.messageReceiver, 1 << 40, length: 0))
        buffer.writeMplexHeader(MplexHeader(.closeInitiator, 0))
        buffer.writeMplexHeader(MplexHeader(.resetReceiver, MplexStreamID.maximumNumber))
        return Array(buffer.readableBytesView)
    }()

    private static let exchange = Array(PlaintextExchange(key: FuzzIdentity.key, expecting: nil).message().readableBytesView)

    /// Operations picked by a generator: any bytes are a sequence of operations.
    private static func sequences(length: Int) -> [[UInt8]] {
        (1...8).map { seed in
            var state = UInt64(seed)
            return (0..<(length * seed / 2)).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 56)
            }
        }
    }
}
