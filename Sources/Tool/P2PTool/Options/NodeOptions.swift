import ArgumentParser
import P2P
import P2PIdentity
import P2PPipeline

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Who the node is, and what it speaks.
struct NodeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A key file, as `p2p key new` makes it; without one, an Ed25519 key for this run only.", valueName: "file"))
    var key: String?

    @Option(help: "A secure channel to offer; repeat it for several, the preferred one first. (default: noise, then tls if it is built in)")
    var security: [SecurityChoice] = []

    @Option(help: "A stream muxer to offer; repeat it for several, the preferred one first. mplex is for old peers. (default: yamux)")
    var muxer: [MuxerChoice] = []

    @Flag(help: "Negotiate the muxer after the secure handshake instead of within it, at the cost of a round trip.")
    var noEarlyMuxer = false

    @Option(
        help: ArgumentHelp(
            """
            A private network's key file, as `p2p key psk` and kubo make it: talk to nodes with the same key and to no others. With \
            LIBP2P_FORCE_PNET=1 in the environment no node runs without one.
            """, valueName: "file"))
    var psk: String?

    @Option(
        help: ArgumentHelp(
            """
            A file of rules for where to listen, whom to dial and to accept, and which streams there may be (see `p2p policy`); a daemon reads \
            it again on SIGHUP. (default: everything is allowed)
            """, valueName: "file"))
    var policy: String?

    @Flag(
        inversion: .prefixedNo, exclusivity: .exclusive,
        help: "Make direct connections of those that lead over a relay, where the NATs on the way let it.")
    var holePunching = true

    @Flag(
        help: ArgumentHelp(
            "No encryption and no proof of who is there, in place of every secure channel. For debugging.", visibility: .hidden))
    var insecurePlaintext = false

    @Flag(help: "Have every QUIC client prove its address first; costs it a round trip. (default: only under pressure)")
    var quicRetry = false

    @Option(
        help: ArgumentHelp(
            "Write what happens to each QUIC connection to a file of its own here, in qlog; 256 files at most, and 16 MiB each.",
            valueName: "directory"))
    var qlog: String?

    @Option(
        help: ArgumentHelp(
            "A DNS server to ask about /dnsaddr, such as 192.0.2.1:53 or [2001:db8::1]:53; repeat it for several. (default: the system's)",
            valueName: "server"))
    var dns: [String] = []

    @Option(help: ArgumentHelp("Seconds that connecting may take, and each wait for the peer after that.", valueName: "seconds"))
    var timeout = Seconds(10)

    @Option(
        help: ArgumentHelp(
            """
            Dial through this proxy, and send nothing in any other way: http://… or https://… (CONNECT) or socks5://…, with user:password@ \
            where it wants them; "none" ignores the environment. (default: for what can go through a proxy, ALL_PROXY, HTTPS_PROXY, http_proxy, \
            but for what NO_PROXY names)
            """, valueName: "url"))
    var proxy: String?

    @Option(
        help: ArgumentHelp(
            "A PEM file with the authorities to believe about the certificate of an https:// proxy. (default: the system's)",
            valueName: "file"))
    var proxyCa: String?

    @Option(help: ArgumentHelp("A PEM file with the certificate chain that /tls/ws and /wss listen with.", valueName: "file"))
    var tlsCert: String?

    @Option(help: ArgumentHelp("A PEM file with that certificate's private key; both are read again when they change.", valueName: "file"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp(
            """
            A PEM file with the authorities to believe when dialing /tls/ws and /wss; "any" believes everybody, for the peer proves \
            itself inside. (default: the system's)
            """, valueName: "file"))
    var tlsCa: String?

    func validate() throws {
        guard (self.tlsCert == nil) == (self.tlsKey == nil) else { throw ValidationError("--tls-cert and --tls-key go together.") }
        guard self.timeout.duration > .zero else { throw ValidationError("--timeout must be more than 0 seconds.") }
        try Self.checkOnce("--security", self.security.map(\.rawValue))
        try Self.checkOnce("--muxer", self.muxer.map(\.rawValue))
        guard !self.insecurePlaintext || self.security.isEmpty else {
            throw ValidationError("--insecure-plaintext takes the place of every secure channel: leave --security out.")
        }
    }

    /// An order of preference names each entry once.
    private static func checkOnce(_ option: String, _ names: [String]) throws {
        guard Set(names).count == names.count else {
            throw ValidationError("\(option) names something twice: \(names.joined(separator: ", ")).")
        }
    }

    /// The secure channels to offer, in order of preference; nil for the default.
    var securityChannels: [any SecureChannelModule]? {
        if self.insecurePlaintext { return [InsecurePlaintext()] }
        return self.security.isEmpty ? nil : self.security.map(\.channel)
    }

    /// The proxy that the options ask for, or what the environment says, which nobody reads before a dial needs it.
    func proxySetting() throws -> ProxySetting? {
        switch self.proxy {
        case "none"?: nil
        case let text?: ProxySetting(try ProxyURL(text))
        case nil: ProxySetting.inEnvironment(Self.environment(ProxySetting.environmentNames))
        }
    }

    /// What is dialled around the environment's proxy; nothing goes around one that the options ask for.
    var proxyBypass: ProxyBypass {
        self.proxy == nil ? .inEnvironment(Self.environment(ProxyBypass.environmentNames)) : .none
    }

    /// Whom to believe about the proxy's certificate.
    var proxyTrust: ServerTrust { self.proxyCa.map { .authorities(pemFile: $0) } ?? .systemRoots }

    private static func environment(_ names: [String]) -> [String: String] {
        var environment: [String: String] = [:]
        for name in names {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return environment
    }

    /// TLS below WebSockets, as the options want it.
    var webSocketTLS: WebSocketTLS {
        var tls = WebSocketTLS()
        if let chain = self.tlsCert, let key = self.tlsKey { tls.certificate = .init(chainFile: chain, keyFile: key) }
        if let authorities = self.tlsCa { tls.trust = authorities == "any" ? .anybody : .authorities(pemFile: authorities) }
        return tls
    }

    /// The key that the options name, or the other one, or a new one.
    func identity(or other: PrivateKey? = nil) throws -> PrivateKey {
        guard let path = self.key else { return try other ?? PrivateKey.generate(.ed25519) }
        return try KeyFile.read(path, noting: KeyNote.log)
    }
}

extension NodeOptions {
    /// The private network's key that the options name.
    func privateNetworkKey() throws -> PreSharedKey? {
        try self.psk.map { path in try PreSharedKeyFile.read(path, noting: KeyNote.log) }
    }
}

/// The secure channels that the command line names.
enum SecurityChoice: String, ExpressibleByArgument, CaseIterable {
    case noise, tls

    var channel: any SecureChannelModule {
        switch self {
        case .noise: Noise()
        case .tls: TLS()
        }
    }
}

/// The stream muxers that the command line names.
enum MuxerChoice: String, ExpressibleByArgument, CaseIterable {
    case yamux, mplex

    var muxer: any StreamMuxer {
        switch self {
        case .yamux: Yamux()
        case .mplex: Mplex()
        }
    }
}
