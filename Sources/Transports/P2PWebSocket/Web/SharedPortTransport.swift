package import Logging
package import P2PCore
package import P2PMultiaddr
package import P2PPipeline

/// One port for raw libp2p, WebSockets, secure WebSockets (with a certificate) and an application's HTTP, told apart by
/// the first bytes. It dials raw libp2p and WebSockets.
///
/// Not under a private network: there, the first bytes are noise to everybody.
package struct SharedPortTransport: ByteTransport {
    private let carrier: any ByteTransport
    private let webSocket: WebSocketTransport
    private let configuration: WebSocketConfiguration
    private let gater: (any ConnectionGater)?
    private let networks: KnownNetworks
    private let logger: Logger

    /// - Parameters:
    ///   - carrier: opens and binds what lies below, such as TCP.
    ///   - gater: is asked about each arrival, before it is known what it is; nil leaves it to the host, which knows those of libp2p.
    ///   - networks: proxies that are believed when they say whose request they pass on, and networks that have places of their own.
    package init(
        over carrier: any ByteTransport, configuration: WebSocketConfiguration, gater: (any ConnectionGater)? = nil,
        networks: KnownNetworks = KnownNetworks(), logger: Logger = Logger(label: "p2p.websocket")
    ) {
        self.carrier = carrier
        self.networks = networks
        self.webSocket = WebSocketTransport(over: carrier, configuration: configuration, logger: logger)
        self.configuration = configuration
        self.gater = gater
        self.logger = logger
    }

    /// Looks at the form of the address only.
    package func canDial(_ address: Multiaddr) -> Bool { self.carrier.canDial(address) || self.webSocket.canDial(address) }
    /// As the carrier: the port's other addresses follow from it.
    package func canListen(on address: Multiaddr) -> Bool { self.carrier.canListen(on: address) }

    /// Connects to either kind of address.
    package func connect(to address: Multiaddr, options: DialOptions) async throws(TransportError) -> ByteChannel {
        guard !self.webSocket.canDial(address) else { return try await self.webSocket.connect(to: address, options: options) }
        return try await self.carrier.connect(to: address, options: options)
    }

    /// Binds the carrier's address; the listener's addresses are those of everything that is spoken there.
    package func bind(to address: Multiaddr) async throws(TransportError) -> any ByteListener {
        let certificate = try self.configuration.tls.certificate.map { files throws(TransportError) in
            try ServerCertificate(files, logger: self.logger)
        }
        var port = WebListener.Port(kinds: [.libp2p, .http])
        port.plain = (try? address.withoutPeerID.appending(.ws)).flatMap { WebSocketAddress($0) }
        if certificate != nil {
            port.kinds.insert(.tls)
            port.secure = (try? address.withoutPeerID.appending(.tls).appending(.ws)).flatMap { WebSocketAddress($0) }
        }
        let terms = WebSocketAnswer.Terms(origins: self.configuration.allowedOrigins, fields: self.configuration.responseFields)
        return WebListener(
            carrier: try await self.carrier.bind(to: address), port: port, terms: terms, certificate: certificate,
            site: WebSite(self.configuration, terms: terms, gater: self.gater, networks: self.networks, logger: self.logger))
    }
}
