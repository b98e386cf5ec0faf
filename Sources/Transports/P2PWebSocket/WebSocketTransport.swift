package import Logging
package import P2PCore
package import P2PMultiaddr
package import P2PPipeline
import P2PWebTLS

/// WebSockets (RFC 6455) over another byte transport: binary frames carry the bytes, their bounds mean nothing.
package struct WebSocketTransport: ByteTransport {
    private let carrier: any ByteTransport
    private let configuration: WebSocketConfiguration
    private let gater: (any ConnectionGater)?
    private let networks: KnownNetworks
    private let tls: ClientTLS
    private let logger: Logger

    /// - Parameters:
    ///   - carrier: opens and binds what lies below, such as TCP, or TCP through a proxy.
    ///   - gater: is asked about each arrival where an application is served, and by the host elsewhere; nil leaves it all to the host.
    ///   - networks: proxies that are believed when they say whose request they pass on, and networks that have places of their own.
    package init(
        over carrier: any ByteTransport, configuration: WebSocketConfiguration = WebSocketConfiguration(),
        gater: (any ConnectionGater)? = nil, networks: KnownNetworks = KnownNetworks(),
        logger: Logger = Logger(label: "p2p.websocket")
    ) {
        self.carrier = carrier
        self.networks = networks
        self.configuration = configuration
        self.gater = gater
        self.tls = ClientTLS(configuration.tls.trust)
        self.logger = logger
    }

    /// Looks at the form of the address only.
    package func canDial(_ address: Multiaddr) -> Bool { self.dialable(address) != nil }

    /// Looks at the form of the address only: whoever binds a secure one without a certificate is told so.
    package func canListen(on address: Multiaddr) -> Bool { self.listenable(address) != nil }

    private func dialable(_ address: Multiaddr) -> WebSocketAddress? {
        WebSocketAddress(address).flatMap { self.carrier.canDial($0.base) ? $0 : nil }
    }

    private func listenable(_ address: Multiaddr) -> WebSocketAddress? {
        WebSocketAddress(address).flatMap { self.carrier.canListen(on: $0.base) ? $0 : nil }
    }

    /// Connects what lies below; the handshake follows when the channel is upgraded.
    package func connect(to address: Multiaddr, options: DialOptions) async throws(TransportError) -> ByteChannel {
        guard let webSocket = self.dialable(address) else {
            throw TransportError(.unsupportedAddress, "\(address) is not a WebSocket address that can be dialled here")
        }
        guard options.role == .dialer else {
            throw TransportError(.unsupportedOptions, "\(address): of two WebSockets that dial each other none would answer")
        }
        let tls: [any ChannelPreparation] =
            webSocket.isSecure ? [try self.tls.dialing(to: webSocket.serverIdentity, as: "WebSocket")] : []
        var options = options
        if let local = options.localAddress { options.localAddress = WebSocketAddress(local)?.base ?? local }
        let bytes = try await self.carrier.connect(to: webSocket.base, options: options)
        let request = WebSocketRequest(
            path: webSocket.path ?? "/", host: webSocket.host, fields: self.configuration.requestFields)
        return bytes.adding(tls + [WebSocketDialing(request: request)], as: webSocket)
    }

    /// Binds what lies below.
    package func bind(to address: Multiaddr) async throws(TransportError) -> any ByteListener {
        guard let webSocket = self.listenable(address) else {
            throw TransportError(.unsupportedAddress, "\(address) is not a WebSocket address to listen on here")
        }
        let terms = WebSocketAnswer.Terms(
            path: webSocket.path, origins: self.configuration.allowedOrigins, fields: self.configuration.responseFields)
        var certificate: ServerCertificate?
        if webSocket.isSecure {
            guard let files = self.configuration.tls.certificate else {
                throw TransportError(
                    .invalidConfiguration,
                    "\(address) needs a certificate: name its files (WebSocketConfiguration.tls.certificate; --tls-cert and --tls-key), or listen on /ws"
                )
            }
            certificate = try ServerCertificate(files, logger: self.logger)
        }
        let carrier = try await self.carrier.bind(to: webSocket.base)
        // Whose request a proxy passes on is known before the arrival is counted.
        guard self.configuration.handler != nil || !self.networks.proxies.isEmpty else {
            return WebSocketListener(carrier: carrier, address: webSocket, terms: terms, certificate: certificate)
        }
        var port = WebListener.Port(kinds: webSocket.isSecure ? .tls : .http)
        if webSocket.isSecure { port.secure = webSocket } else { port.plain = webSocket }
        return WebListener(
            carrier: carrier, port: port, terms: terms, certificate: certificate,
            site: WebSite(self.configuration, terms: terms, gater: self.gater, networks: self.networks, logger: self.logger))
    }
}

extension ByteChannel {
    /// The channel with further preparations behind its own, and with addresses that say so.
    func adding(_ preparations: [any ChannelPreparation], as address: WebSocketAddress) -> ByteChannel {
        ByteChannel(
            channel: self.channel, localAddress: address.over(self.localAddress), remoteAddress: address.over(self.remoteAddress),
            preparations: self.preparations + preparations, progress: self.progress)
    }
}
