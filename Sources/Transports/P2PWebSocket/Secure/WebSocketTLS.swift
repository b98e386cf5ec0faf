public import P2PWebTLS

/// How a WebSocket transport speaks TLS (`/tls/ws`, `/wss`), which lies outside the libp2p handshake. It needs the package trait TLS, which is on by default.
public struct WebSocketTLS: Sendable, Hashable {
    /// Whom a dialer believes. The libp2p handshake inside proves who the peer is, whoever is believed here; who sits in between sees that it is
    /// libp2p.
    public typealias Trust = ServerTrust

    /// A listener's certificate and its key, as PEM files. They are read again when they change.
    public struct Certificate: Sendable, Hashable {
        /// The file with the certificate, and behind it those between it and its authority.
        public var chainFile: String
        /// The file with the private key.
        public var keyFile: String

        /// Two PEM files.
        public init(chainFile: String, keyFile: String) {
            self.chainFile = chainFile
            self.keyFile = keyFile
        }
    }

    /// Whom a dialer believes.
    public var trust = Trust.systemRoots
    /// What a listener shows; without it there is no listening on `/tls/ws`.
    public var certificate: Certificate?

    /// The system's roots, and no certificate.
    public init() {}
}
