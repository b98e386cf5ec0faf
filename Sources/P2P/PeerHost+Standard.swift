import Logging
import NIOCore
import P2PCore
import P2PEcho
public import P2PHost
import P2PIdentify
public import P2PIdentity
import P2PMDNS
import P2PMplex
import P2PNoise
import P2PPerf
import P2PPing
import P2PPipeline
import P2PPlaintext
import P2PPrivateNetwork
import P2PProxy
import P2PQUIC
import P2PResolver
import P2PTCP
import P2PTLS
import P2PWebSocket
import P2PYamux

extension PeerHost {
    /// A host over QUIC, TCP and WebSocket that serves identify, ping and, unless told otherwise, echo and perf.
    ///
    /// - Parameters:
    ///   - identity: names the node; it signs once for its handshakes and once for each change of its addresses.
    ///   - configuration: secure channels, muxers, limits.
    /// - Throws: ``TransportError/Code/notBuiltIn`` for a secure channel or muxer that is not there;
    ///   ``TransportError/Code/invalidConfiguration`` for one that is named twice, for plaintext beside a secure channel, for a port that a
    ///   private network would share, and for local discovery beside a proxy, which it would go around;
    ///   ``TransportError/Code/securityFailed`` when the identity does not sign; ``TransportError/Code/metadataTooLong``;
    ///   ``TransportError/Code/privateNetworkRequired`` when `LIBP2P_FORCE_PNET=1` and there is no key.
    public static func standard(
        identity: any IdentityKey, configuration: StandardConfiguration = StandardConfiguration()
    ) async throws -> PeerHost {
        let security = try await self.security(identity, configuration)
        let windowBudget = MemoryBudget(limit: configuration.windowBudget)
        let upgrader = Upgrader(
            localPeer: PeerID(identity.publicKey), protector: try configuration.protector(),
            security: security, muxers: try self.muxers(configuration),
            windowBudget: windowBudget,
            inboundTimeout: TimeAmount(configuration.host.handshakeTimeout), negotiatesMuxersEarly: configuration.negotiatesMuxersEarly)
        var transports: [any Transport] = try self.byteTransports(configuration).map { UpgradingTransport($0, upgrader: upgrader) }
        let quic = try await self.quic(identity, configuration, windowBudget)
        if let quic { transports.append(quic) }
        let host = PeerHost(
            identity: identity, transports: transports, configuration: configuration.host, gater: configuration.gater,
            peerstore: configuration.peerstore, resolver: self.resolver(configuration), logger: configuration.logger)
        let identify = Identify(introducing: host, logger: configuration.logger)
        var handlers = identify.handlers + [PingProtocol()]
        if configuration.servesEcho { handlers.append(EchoProtocol()) }
        if configuration.servesPerf { handlers.append(PerfProtocol()) }
        for handler in handlers { try host.register(handler) }
        host.register(greeting: identify)
        host.runAlongside { streams in await identify.pushChanges(opening: streams) }
        for case let tls as TLSSecurity in security { host.runAlongside { _ in await tls.keepFresh() } }
        if let quic { host.runAlongside { _ in await quic.keepFresh() } }
        var discovery = configuration.discovery
        if var mdns = configuration.mdns {
            guard configuration.proxy == nil else {
                throw TransportError(
                    .invalidConfiguration, "local discovery (mDNS) sends to the local network, and nothing is to go around the proxy")
            }
            // The nodes of a private network are among themselves here, too.
            if mdns.networkFingerprint == nil { mdns.networkFingerprint = try configuration.privateNetworkKey?.fingerprint() }
            discovery.append(
                MDNSDiscovery(peer: host.peerID, configuration: mdns, group: configuration.group, logger: configuration.logger))
        }
        for source in discovery { host.register(discovery: source) }
        return host
    }

    /// Questions to name servers would tell them what the proxy is to hide.
    private static func resolver(_ configuration: StandardConfiguration) -> (any AddressResolver)? {
        configuration.proxy == nil
            ? configuration.resolver : DNSAddressResolver.refusing(because: "/dnsaddr is not looked up beside a proxy")
    }

    private static func quic(
        _ identity: any IdentityKey, _ configuration: StandardConfiguration, _ windowBudget: MemoryBudget
    ) async throws(TransportError) -> QUICTransport? {
        guard var settings = configuration.quic else { return nil }
        guard configuration.privateNetworkKey == nil else {
            return .refusing(because: "QUIC has no room for a private network's key; use TCP, or leave the key out")
        }
        guard configuration.proxy == nil else {
            return .refusing(because: "QUIC can't go through the proxy, and nothing is to go around it; use TCP or WebSocket")
        }
        settings.handshakeTimeout = min(settings.handshakeTimeout, configuration.host.handshakeTimeout)
        return try await QUICTransport.make(
            identity: identity, metadata: configuration.appMetadata, configuration: settings, windowBudget: windowBudget,
            group: configuration.group, logger: configuration.logger)
    }

    private static func byteTransports(_ configuration: StandardConfiguration) throws(TransportError) -> [any ByteTransport] {
        let tcp = TCPTransport(group: configuration.group, logger: configuration.logger)
        // With a proxy there is no other way out: whatever dials, dials over this.
        let carrier: any ByteTransport =
            configuration.proxy.map {
                ProxiedTransport(through: $0, over: tcp, except: configuration.proxyBypass)
            } ?? tcp
        let webSocket = WebSocketTransport(
            over: carrier, configuration: configuration.webSocket, gater: configuration.gater, logger: configuration.logger)
        guard configuration.sharesPorts else { return [carrier, webSocket] }
        guard configuration.privateNetworkKey == nil else {
            throw TransportError(
                .invalidConfiguration, "a private network shares no port: to whoever has no key its first bytes tell nothing apart")
        }
        let shared = SharedPortTransport(
            over: carrier, configuration: configuration.webSocket, gater: configuration.gater, logger: configuration.logger)
        return [shared, webSocket]
    }

    private static func security(
        _ identity: any IdentityKey, _ configuration: StandardConfiguration
    ) async throws(TransportError) -> [any SecureChannel] {
        let (metadata, limit) = (configuration.appMetadata.count, ConnectionInfo.maximumAppMetadata)
        guard metadata <= limit else {
            throw TransportError(
                .metadataTooLong, "StandardConfiguration.appMetadata has \(metadata) bytes; at most \(limit) travel in a handshake")
        }
        var channels: [any SecureChannel] = []
        try Self.checkOnce(configuration.security.map(\.description), "secure channel")
        if configuration.security.contains(.insecurePlaintext), configuration.security.count > 1 {
            throw TransportError(
                .invalidConfiguration, "plaintext must be the only secure channel: beside others, whoever is in the middle would choose it")
        }
        for name in configuration.security {
            switch name {
            case .noise: channels.append(try await NoiseSecurity.make(identity: identity, metadata: configuration.appMetadata))
            case .tls: channels.append(try await TLSSecurity.make(identity: identity, metadata: configuration.appMetadata))
            case .insecurePlaintext: channels.append(PlaintextSecurity(insecurelyClaiming: identity.publicKey))
            default: throw Self.notBuiltIn("secure channel", name.description)
            }
        }
        guard !channels.isEmpty else { throw TransportError(.notBuiltIn, "a host needs at least one secure channel") }
        return channels
    }

    private static func muxers(_ configuration: StandardConfiguration) throws(TransportError) -> [any StreamMuxer] {
        var muxers: [any StreamMuxer] = []
        try Self.checkOnce(configuration.muxers.map(\.description), "stream muxer")
        for name in configuration.muxers {
            switch name {
            case .yamux: muxers.append(Yamux(configuration: configuration.yamux))
            case .mplex: muxers.append(Mplex(configuration: configuration.mplex))
            default: throw Self.notBuiltIn("stream muxer", name.description)
            }
        }
        guard !muxers.isEmpty else { throw TransportError(.notBuiltIn, "a host needs at least one stream muxer") }
        return muxers
    }

    /// An order of preference names each entry once.
    private static func checkOnce(_ names: [String], _ kind: String) throws(TransportError) {
        guard let twice = names.first(where: { name in names.count { $0 == name } > 1 }) else { return }
        throw TransportError(.invalidConfiguration, "the \(kind) \"\(twice.prefix(64))\" is named twice")
    }

    private static func notBuiltIn(_ kind: String, _ name: String) -> TransportError {
        TransportError(.notBuiltIn, "there is no \(kind) named \"\(name.prefix(64))\" in this build")
    }
}
