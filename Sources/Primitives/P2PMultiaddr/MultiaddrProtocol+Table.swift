// In the order of their codes; the source is the protocol table of the multiaddr specification.
extension MultiaddrProtocol {
    /// `/ip4`: IPv4 address.
    public static let ip4 = MultiaddrProtocol(4, "ip4", .fixed(bits: 32), .ip4)
    /// `/tcp`: TCP port.
    public static let tcp = MultiaddrProtocol(6, "tcp", .fixed(bits: 16), .port)
    /// `/dccp`: DCCP port.
    public static let dccp = MultiaddrProtocol(33, "dccp", .fixed(bits: 16), .port)
    /// `/ip6`: IPv6 address.
    public static let ip6 = MultiaddrProtocol(41, "ip6", .fixed(bits: 128), .ip6)
    /// `/ip6zone`: Zone of the IPv6 address that follows (RFC 4007).
    public static let ip6zone = MultiaddrProtocol(42, "ip6zone", .variable, .name)
    /// `/ipcidr`: Prefix length of the address before it.
    public static let ipcidr = MultiaddrProtocol(43, "ipcidr", .fixed(bits: 8), .byte)
    /// `/dns`: Domain name with IPv4 or IPv6 addresses.
    public static let dns = MultiaddrProtocol(53, "dns", .variable, .name)
    /// `/dns4`: Domain name, its IPv4 addresses.
    public static let dns4 = MultiaddrProtocol(54, "dns4", .variable, .name)
    /// `/dns6`: Domain name, its IPv6 addresses.
    public static let dns6 = MultiaddrProtocol(55, "dns6", .variable, .name)
    /// `/dnsaddr`: Domain name whose TXT records hold multiaddrs.
    public static let dnsaddr = MultiaddrProtocol(56, "dnsaddr", .variable, .name)
    /// `/sctp`: SCTP port.
    public static let sctp = MultiaddrProtocol(132, "sctp", .fixed(bits: 16), .port)
    /// `/udp`: UDP port.
    public static let udp = MultiaddrProtocol(273, "udp", .fixed(bits: 16), .port)
    /// `/p2p-webrtc-star`: Deprecated.
    public static let p2pWebRTCStar = MultiaddrProtocol(275, "p2p-webrtc-star", .none, .none)
    /// `/p2p-webrtc-direct`: Deprecated.
    public static let p2pWebRTCDirect = MultiaddrProtocol(276, "p2p-webrtc-direct", .none, .none)
    /// `/p2p-stardust`: Deprecated.
    public static let p2pStardust = MultiaddrProtocol(277, "p2p-stardust", .none, .none)
    /// `/webrtc-direct`: WebRTC to a server without signalling.
    public static let webrtcDirect = MultiaddrProtocol(280, "webrtc-direct", .none, .none)
    /// `/webrtc`: WebRTC with signalling.
    public static let webrtc = MultiaddrProtocol(281, "webrtc", .none, .none)
    /// `/p2p-circuit`: Relayed by the peer before it.
    public static let p2pCircuit = MultiaddrProtocol(290, "p2p-circuit", .none, .none)
    /// `/udt`: UDT.
    public static let udt = MultiaddrProtocol(301, "udt", .none, .none)
    /// `/utp`: uTP.
    public static let utp = MultiaddrProtocol(302, "utp", .none, .none)
    /// `/unix`: Path of a Unix domain socket; takes up the rest.
    public static let unix = MultiaddrProtocol(400, "unix", .variable, .path)
    /// `/p2p`: Peer id.
    public static let p2p = MultiaddrProtocol(421, "p2p", .variable, .peerID)
    /// `/https`: Deprecated alias of `/tls/http`.
    public static let https = MultiaddrProtocol(443, "https", .none, .none)
    /// `/onion`: Tor onion service, version 2: address and port.
    public static let onion = MultiaddrProtocol(444, "onion", .fixed(bits: 96), .onion)
    /// `/onion3`: Tor onion service, version 3: address and port.
    public static let onion3 = MultiaddrProtocol(445, "onion3", .fixed(bits: 296), .onion3)
    /// `/garlic64`: I2P destination.
    public static let garlic64 = MultiaddrProtocol(446, "garlic64", .variable, .garlic64)
    /// `/garlic32`: I2P hashed destination.
    public static let garlic32 = MultiaddrProtocol(447, "garlic32", .variable, .garlic32)
    /// `/tls`: TLS.
    public static let tls = MultiaddrProtocol(448, "tls", .none, .none)
    /// `/sni`: Server name for TLS (RFC 6066, section 3).
    public static let sni = MultiaddrProtocol(449, "sni", .variable, .name)
    /// `/noise`: Noise.
    public static let noise = MultiaddrProtocol(454, "noise", .none, .none)
    /// `/quic`: QUIC, draft 29.
    public static let quic = MultiaddrProtocol(460, "quic", .none, .none)
    /// `/quic-v1`: QUIC (RFC 9000).
    public static let quicV1 = MultiaddrProtocol(461, "quic-v1", .none, .none)
    /// `/webtransport`: WebTransport.
    public static let webtransport = MultiaddrProtocol(465, "webtransport", .none, .none)
    /// `/certhash`: Multihash of a certificate.
    public static let certhash = MultiaddrProtocol(466, "certhash", .variable, .multihash)
    /// `/ws`: WebSocket.
    public static let ws = MultiaddrProtocol(477, "ws", .none, .none)
    /// `/wss`: Deprecated alias of `/tls/ws`.
    public static let wss = MultiaddrProtocol(478, "wss", .none, .none)
    /// `/p2p-websocket-star`: Deprecated.
    public static let p2pWebsocketStar = MultiaddrProtocol(479, "p2p-websocket-star", .none, .none)
    /// `/http`: HTTP.
    public static let http = MultiaddrProtocol(480, "http", .none, .none)
    /// `/http-path`: Path of an HTTP resource.
    public static let httpPath = MultiaddrProtocol(481, "http-path", .variable, .percentEncoded)
    /// `/memory`: In-memory transport; any name.
    public static let memory = MultiaddrProtocol(777, "memory", .variable, .name)

    /// The whole table, in the order of the codes.
    public static let all: [MultiaddrProtocol] = [
        .ip4, .tcp, .dccp, .ip6, .ip6zone, .ipcidr, .dns, .dns4,
        .dns6, .dnsaddr, .sctp, .udp, .p2pWebRTCStar, .p2pWebRTCDirect, .p2pStardust, .webrtcDirect,
        .webrtc, .p2pCircuit, .udt, .utp, .unix, .p2p, .https, .onion,
        .onion3, .garlic64, .garlic32, .tls, .sni, .noise, .quic, .quicV1,
        .webtransport, .certhash, .ws, .wss, .p2pWebsocketStar, .http, .httpPath, .memory,
    ]
}
