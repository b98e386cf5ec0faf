/// What can be fuzzed: every parser of bytes that come from elsewhere, and every machine under sequences of operations.
///
/// A target turns bytes into work and checks what must hold with `precondition`, so a property that fails is a crash. The same bytes
/// always do the same work. `Fuzz/run` looks for crashes; the ordinary tests replay those that were found.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// Unsigned varints.
    case varint
    /// Text in any multibase.
    case multibase
    /// Multihashes.
    case multihash
    /// CIDs, binary and text.
    case cid
    /// Multiaddrs in binary form.
    case multiaddrBytes = "multiaddr-bytes"
    /// Multiaddrs in text form.
    case multiaddrText = "multiaddr-text"
    /// Peer ids in binary form.
    case peerIDBytes = "peer-id-bytes"
    /// Peer ids in text form.
    case peerIDText = "peer-id-text"
    /// The protobuf message `PublicKey`.
    case publicKey = "public-key"
    /// The protobuf message `PrivateKey`.
    case privateKey = "private-key"
    /// Key files: a mode, then content.
    case keyFile = "key-file"
    /// The protobuf message `Envelope`.
    case signedEnvelope = "signed-envelope"
    /// The protobuf message `PeerRecord`.
    case peerRecord = "peer-record"
    /// Multistream-select in both roles, and both against each other.
    case multistream
    /// The answer that a lazy dialer waits for.
    case lazyExpectation = "lazy-expectation"
    /// Operations on the queue of a stream's bytes.
    case byteQueue = "byte-queue"
    /// Operations on a stream.
    case streamBuffer = "stream-buffer"
    /// The frame codec of yamux.
    case yamuxFrames = "yamux-frames"
    /// Operations on two yamux sessions that talk to each other.
    case yamuxSessions = "yamux-sessions"
    /// A yamux session whose peer keeps to no rule.
    case yamuxHostile = "yamux-hostile"
    /// A yamux channel handler whose peer keeps to no rule.
    case yamuxHandler = "yamux-handler"
    /// Operations on two yamux channel handlers that talk to each other.
    case yamuxPair = "yamux-pair"
    /// The frame codec of mplex.
    case mplexFrames = "mplex-frames"
    /// Operations on an mplex session whose peer keeps to no rule.
    case mplexSession = "mplex-session"
    /// Two mplex channel handlers that talk to each other.
    case mplexPair = "mplex-pair"
    /// The exchange of ids and keys of a plaintext connection.
    case plaintextExchange = "plaintext-exchange"
    /// Noise handshakes in both roles.
    case noiseHandshake = "noise-handshake"
    /// Noise records that are cut, reordered and forged.
    case noiseRecords = "noise-records"
    /// The payload of a Noise handshake.
    case noisePayload = "noise-payload"
    /// Certificates of TLS peers.
    case certificate
    /// The first message of a TLS dialer.
    case clientHello = "client-hello"
    /// Identify messages.
    case identify
    /// Datagrams at a QUIC socket.
    case quicDatagrams = "quic-datagrams"
    /// Datagrams at a QUIC endpoint with connections of the library's, some of them sealed as a client's first.
    case quicEndpoint = "quic-endpoint"
    /// Frames behind the keys of a QUIC connection, from a peer that keeps to no rule.
    case quicFrames = "quic-frames"
    /// The key file of a private network.
    case pskFile = "psk-file"
    /// Bytes below a private network's key, from a member and from others.
    case privateNetwork = "private-network"
    /// DNS messages of local discovery.
    case dnsMessage = "dns-message"
    /// Packets that local discovery receives.
    case mdnsMachine = "mdns-machine"
    /// The texts of lists of addresses in DNS.
    case addressList = "address-list"
    /// The frames of a WebSocket, on both sides.
    case webSocketFrames = "websocket-frames"
    /// The request that asks for a WebSocket.
    case webSocketHandshake = "websocket-handshake"
    /// What a proxy answers.
    case proxyDialogue = "proxy-dialogue"
    /// What a proxy says of its client in front of a connection, and in a request.
    case proxiedClient = "proxied-client"
    /// Messages of relays, and of peers that want a direct connection.
    case relayMessage = "relay-message"
    /// Operations on what a relay keeps of its places and circuits.
    case relayLedger = "relay-ledger"
    /// Operations on what a client of relays keeps: its places, and the relays that it has met.
    case relayPlaces = "relay-places"
    /// Operations on the bounds of hole punching.
    case punchLedger = "punch-ledger"
    /// Messages of AutoNAT, both versions.
    case autoNATMessage = "autonat-message"
    /// Operations on the tracker of AutoNAT, whose servers keep to no rule.
    case autoNATTracker = "autonat-tracker"
    /// A router that is asked to map ports, and keeps to no rule.
    case portMapper = "port-mapper"
    /// Replies of devices that speak UPnP.
    case gatewayReply = "gateway-reply"
    /// Messages of the distributed hash table.
    case kademliaMessage = "kademlia-message"
    /// Records of the distributed hash table, and their keys.
    case kademliaRecord = "kademlia-record"
    /// Look-ups in the distributed hash table whose peers keep to no rule.
    case kademliaLookup = "kademlia-lookup"
    /// Operations on the tables and stores of the distributed hash table.
    case kademliaStores = "kademlia-stores"
    /// Searches for providers and sweeps of the distributed hash table.
    case kademliaSearches = "kademlia-searches"
    /// Messages of rendezvous points.
    case rendezvousMessage = "rendezvous-message"
    /// Requests to a rendezvous point.
    case rendezvousPoint = "rendezvous-point"
    /// Messages of fetch.
    case fetchMessage = "fetch-message"

    /// Does the work that `bytes` stand for.
    public func run(_ bytes: [UInt8]) {
        switch self {
        case .varint: MultiformatsFuzzing.varint(bytes)
        case .multibase: MultiformatsFuzzing.multibase(bytes)
        case .multihash: MultiformatsFuzzing.multihash(bytes)
        case .cid: MultiformatsFuzzing.cid(bytes)
        case .multiaddrBytes: MultiaddrFuzzing.bytes(bytes)
        case .multiaddrText: MultiaddrFuzzing.text(bytes)
        case .peerIDBytes: IdentityFuzzing.peerID(bytes: bytes)
        case .peerIDText: IdentityFuzzing.peerID(text: bytes)
        case .publicKey: IdentityFuzzing.publicKey(bytes)
        case .privateKey: IdentityFuzzing.privateKey(bytes)
        case .keyFile: KeyFileFuzzing.run(bytes)
        case .signedEnvelope: IdentityFuzzing.signedEnvelope(bytes)
        case .peerRecord: IdentityFuzzing.peerRecord(bytes)
        case .multistream: MultistreamFuzzing.run(bytes)
        case .lazyExpectation: MultistreamFuzzing.lazyExpectation(bytes)
        case .byteQueue: ByteQueueFuzzing.run(bytes)
        case .streamBuffer: StreamBufferFuzzing.run(bytes)
        case .yamuxFrames: YamuxFrameFuzzing.run(bytes)
        case .yamuxSessions: YamuxSessionFuzzing.run(bytes)
        case .yamuxHostile: YamuxHostileFuzzing.run(bytes)
        case .yamuxHandler: YamuxHandlerFuzzing.hostile(bytes)
        case .yamuxPair: YamuxHandlerFuzzing.pair(bytes)
        case .mplexFrames: MplexFrameFuzzing.run(bytes)
        case .mplexSession: MplexSessionFuzzing.run(bytes)
        case .mplexPair: MplexHandlerFuzzing.pair(bytes)
        case .plaintextExchange: PlaintextFuzzing.run(bytes)
        case .noiseHandshake: NoiseFuzzing.handshake(bytes)
        case .noiseRecords: NoiseFuzzing.records(bytes)
        case .noisePayload: NoiseFuzzing.payload(bytes)
        case .certificate: CertificateFuzzing.run(bytes)
        case .clientHello: ClientHelloFuzzing.run(bytes)
        case .identify: IdentifyFuzzing.run(bytes)
        case .quicDatagrams: QUICFuzzing.datagrams(bytes)
        case .quicEndpoint: QUICEndpointFuzzing.run(bytes)
        case .quicFrames: QUICFramesFuzzing.run(bytes)
        case .pskFile: PrivateNetworkFuzzing.keyFile(bytes)
        case .privateNetwork: PrivateNetworkFuzzing.session(bytes)
        case .dnsMessage: MDNSFuzzing.message(bytes)
        case .mdnsMachine: MDNSFuzzing.machine(bytes)
        case .addressList: AddressListFuzzing.run(bytes)
        case .webSocketFrames: WebSocketFuzzing.frames(bytes)
        case .webSocketHandshake: WebSocketFuzzing.handshake(bytes)
        case .proxyDialogue: ProxyFuzzing.dialogue(bytes)
        case .proxiedClient: ProxiedClientFuzzing.run(bytes)
        case .relayMessage: RelayFuzzing.run(bytes)
        case .relayLedger: RelayFuzzing.ledger(bytes)
        case .relayPlaces: RelayFuzzing.places(bytes)
        case .punchLedger: PunchFuzzing.run(bytes)
        case .autoNATMessage: AutoNATFuzzing.message(bytes)
        case .autoNATTracker: AutoNATFuzzing.tracker(bytes)
        case .portMapper: PortMapperFuzzing.run(bytes)
        case .gatewayReply: PortMapperFuzzing.reply(bytes)
        case .kademliaMessage: KademliaFuzzing.message(bytes)
        case .kademliaRecord: KademliaFuzzing.record(bytes)
        case .kademliaLookup: KademliaFuzzing.lookup(bytes)
        case .kademliaStores: KademliaFuzzing.stores(bytes)
        case .kademliaSearches: KademliaFuzzing.searches(bytes)
        case .rendezvousMessage: RendezvousFuzzing.message(bytes)
        case .rendezvousPoint: RendezvousFuzzing.point(bytes)
        case .fetchMessage: RendezvousFuzzing.fetch(bytes)
        }
    }

    /// The longest input that is worth trying, in bytes: somewhat beyond the limit of what is parsed.
    public var maximumLength: Int {
        switch self {
        case .varint: 24
        case .peerIDBytes, .multihash, .rendezvousPoint: 256
        case .pskFile: 300
        case .peerIDText, .cid, .lazyExpectation: 512
        case .yamuxPair, .yamuxHandler, .mplexPair, .streamBuffer, .byteQueue, .noiseRecords, .privateNetwork: 1_024
        case .multibase, .noiseHandshake, .yamuxFrames, .yamuxHostile, .mplexFrames, .mplexSession, .quicDatagrams, .webSocketFrames,
            .quicFrames:
            2_048
        case .multiaddrBytes, .multistream, .publicKey, .plaintextExchange, .noisePayload, .peerRecord: 5_000
        case .proxiedClient: 4_200
        case .kademliaMessage, .kademliaLookup, .kademliaStores, .kademliaSearches: 4_096
        case .rendezvousMessage, .fetchMessage: 4_096
        case .kademliaRecord: 11_000
        case .yamuxSessions, .mdnsMachine, .addressList, .quicEndpoint, .relayMessage, .relayLedger, .relayPlaces, .punchLedger,
            .autoNATTracker, .portMapper:
            4_096
        case .dnsMessage, .autoNATMessage: 9_100
        case .gatewayReply: 20_000
        case .privateKey, .keyFile: 10_000
        case .clientHello: 3_000
        case .multiaddrText, .signedEnvelope, .identify, .certificate, .webSocketHandshake, .proxyDialogue: 17_500
        }
    }
}
