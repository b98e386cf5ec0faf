import P2P
import P2PCore

/// What a node of the tool is made of: its stack, and the modules on it. A subsystem is one entry more.
struct NodeSetup {
    var configuration = StandardConfiguration()
    var webSockets = WebSockets()
    var quic = QUIC()
    /// Go to the muxers of those names, if they are offered.
    var yamux = YamuxConfiguration()
    var mplex = MplexConfiguration()
    var modules: [any HostModule] = []
    /// Dials through relays, and listens at them.
    let relayClient = RelayClient()
    /// Makes direct connections of those over relays.
    let holePunching = HolePunching()
    /// What the node gives to others as a relay, if it is one.
    var relayLimits = RelayServiceLimits()
    /// The relay that the node is; nil for none.
    var relayService: RelayService?
    /// What the node is held to; nil for nothing.
    var policy: PolicyInForce?

    /// The defaults, without a module.
    init() {
        self.prepare(for: .server)
        self.keepWindowsWithinLimits()
    }

    /// What the command line says, whatever the command.
    init(_ options: NodeOptions) throws {
        self.init()
        self.configuration.host.agentVersion = "swift-p2p/\(ToolVersion.current)"
        self.configuration.host.dialTimeout = options.timeout.duration
        self.configuration.negotiatesMuxersEarly = !options.noEarlyMuxer
        if let security = options.securityChannels { self.configuration.security = security }
        if !options.muxer.isEmpty { self.configuration.muxers = options.muxer.map(\.muxer) }
        self.configuration.surroundings = Surroundings(
            proxy: try options.proxySetting(), proxyBypass: options.proxyBypass, proxyTrust: options.proxyTrust,
            privateNetworkKey: try options.privateNetworkKey())
        if options.quicRetry { self.quic.configuration.addressValidation = .always }
        self.quic.configuration.qlog = try options.qlog.map { try QLogDirectory(path: $0) }
        self.webSockets.configuration.tls = options.webSocketTLS
        self.modules = [
            Identify(), PingProtocol(), EchoProtocol(servesLimitedConnections: true), PerfProtocol(servesLimitedConnections: true),
            DNSAddressResolver(servers: options.dns), self.relayClient,
        ]
        if options.holePunching { self.modules.append(self.holePunching) }
        self.policy = try options.policy.map(PolicyInForce.init)
        if let policy { self.modules.append(policy.gate) }
    }

    /// Sets the limits for what the node is for.
    mutating func prepare(for preset: ResourceLimits.Preset) {
        self.configuration.host.limits = ResourceLimits(preset)
        self.configuration.windowBudget = min(self.configuration.windowBudget, self.configuration.host.limits.memory / 2)
        guard preset == .phone else { return }
        self.yamux = .mobile
        let mobile = QUICConfiguration.mobile
        self.quic.configuration.idleTimeout = mobile.idleTimeout
        self.quic.configuration.keepAliveInterval = mobile.keepAliveInterval
        self.quic.configuration.busyKeepAliveInterval = mobile.busyKeepAliveInterval
        self.quic.configuration.busyPatience = mobile.busyPatience
    }

    /// Promises no peer more than it may hold.
    mutating func keepWindowsWithinLimits() {
        let most = max(self.configuration.host.limits.memoryPerPeer / 2, 1_024 * 1_024)
        self.yamux.maximumWindow = min(self.yamux.maximumWindow, UInt32(clamping: most))
        self.yamux.maximumWindowGrowth = min(self.yamux.maximumWindowGrowth, UInt64(clamping: most))
        self.quic.configuration.maximumWindow = min(self.quic.configuration.maximumWindow, UInt64(clamping: most))
        self.quic.configuration.maximumStreamWindow = min(self.quic.configuration.maximumStreamWindow, UInt64(clamping: most))
    }

    /// Bytes that pass over one circuit in each direction; 0 for any number.
    var relayData: Int {
        get { self.relayLimits.circuitData ?? 0 }
        set { self.relayLimits.circuitData = newValue == 0 ? nil : newValue }
    }

    /// The stack, as all of the settings together make it.
    var stack: StandardConfiguration {
        var configuration = self.configuration
        configuration.transports = [TCP(), self.webSockets, self.quic]
        configuration.muxers = configuration.muxers.map { muxer in
            switch muxer {
            case is Yamux: Yamux(configuration: self.yamux)
            case is Mplex: Mplex(configuration: self.mplex)
            default: muxer
            }
        }
        return configuration
    }

    /// The host, which does not run yet.
    func makeHost(identity: PrivateKey) async throws -> PeerHost {
        try await PeerHost.standard(identity: identity, configuration: self.stack, modules: self.modules)
    }
}
