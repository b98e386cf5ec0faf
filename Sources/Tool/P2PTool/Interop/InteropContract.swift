import P2PMultiaddr

/// What the environment asks of a program under the official interoperability contract, in either of its generations.
struct InteropContract: Equatable {
    /// Which contract: they differ in the names of the variables and in the form of the result.
    enum Generation: Equatable {
        /// libp2p/test-plans: lower-case names, a shared list in redis, a line of JSON.
        case old
        /// libp2p/unified-testing: upper-case names, a key of the test's own, YAML.
        case new
    }

    /// How long a test takes at most, if the environment does not say.
    static let defaultTimeout = 60.0
    /// The longest time that the environment may ask for, in seconds.
    static let maximumTimeout = 3_600.0

    let generation: Generation
    let transport: String
    /// Nil where the transport secures and multiplexes by itself.
    let security: SecurityChoice?
    let muxer: MuxerChoice?
    let isDialer: Bool
    /// The address to listen on.
    let listenAddress: Multiaddr
    let redis: RedisAddress
    /// Where the listener's address is kept in redis.
    let key: String
    let timeout: Duration

    /// - Throws: `ToolError` with the code `unsupported` for a combination that is not spoken here, `environment` for one that makes no
    ///   sense.
    init(environment: [String: String]) throws {
        let generation: Generation = environment["TRANSPORT"] != nil ? .new : .old
        func value(_ old: String, _ new: String) -> String? {
            let text = environment[generation == .old ? old : new]
            return text?.isEmpty == false ? text : nil
        }
        func required(_ old: String, _ new: String) throws -> String {
            guard let text = value(old, new) else {
                throw ToolError("environment", "the variable \(generation == .old ? old : new) is missing: see p2p interop --help")
            }
            return text
        }
        let transport = try required("transport", "TRANSPORT")
        self.generation = generation
        self.transport = transport
        self.security = try value("security", "SECURE_CHANNEL").map { name in
            guard let choice = SecurityChoice(rawValue: name) else {
                throw ToolError("unsupported", "the secure channel \(PeerText(name)) is not spoken here")
            }
            return choice
        }
        self.muxer = try value("muxer", "MUXER").map { name in
            guard let choice = MuxerChoice(rawValue: name) else {
                throw ToolError("unsupported", "the muxer \(PeerText(name)) is not spoken here")
            }
            return choice
        }
        self.isDialer = try required("is_dialer", "IS_DIALER").lowercased() == "true"
        self.listenAddress = try Self.listenAddress(transport, ip: value("ip", "LISTENER_IP") ?? "0.0.0.0")
        let address = value("redis_addr", "REDIS_ADDR") ?? "redis:6379"
        guard let redis = RedisAddress(address) else {
            throw ToolError("environment", "\(PeerText(address)) is not an address of a redis server")
        }
        self.redis = redis
        self.key = generation == .old ? "listenerAddr" : "\(try required("TEST_KEY", "TEST_KEY"))_listener_multiaddr"
        let seconds = value("test_timeout_seconds", "TEST_TIMEOUT_SECONDS").flatMap(Double.init) ?? Self.defaultTimeout
        guard seconds > 0, seconds <= Self.maximumTimeout else { throw ToolError("environment", "the time-out is out of range") }
        self.timeout = .milliseconds(Int64(seconds * 1_000))
    }

    private static func listenAddress(_ transport: String, ip: String) throws -> Multiaddr {
        let family = ip.contains(":") ? "ip6" : "ip4"
        switch transport {
        case "tcp": return try Multiaddr("/\(family)/\(ip)/tcp/0")
        case "ws": return try Multiaddr("/\(family)/\(ip)/tcp/0/ws")
        case "quic-v1": return try Multiaddr("/\(family)/\(ip)/udp/0/quic-v1")
        default: throw ToolError("unsupported", "the transport \(PeerText(transport)) is not spoken here")
        }
    }

    /// The result as the contract wants it on standard output, without the last newline.
    func result(handshakePlusOneRoundTrip: Duration, ping: Duration) -> String {
        let (handshake, ping) = (Milliseconds(handshakePlusOneRoundTrip), Milliseconds(ping))
        switch self.generation {
        case .old:
            // The misspelling belongs to the contract.
            return "{\"handshakePlusOneRTTMillis\": \(handshake), \"pingRTTMilllis\": \(ping)}"
        case .new:
            return "latency:\n  handshake_plus_one_rtt: \(handshake)\n  ping_rtt: \(ping)\n  unit: ms"
        }
    }
}
