package import Logging
package import NIOCore
import NIOPosix
import P2PCertificate
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// QUIC version 1 over UDP: `/ip4|ip6/…/udp/…/quic-v1`.
///
/// Authenticated, encrypted and multiplexed in itself. It has no room for a private network's key: see ``refusing(because:)``.
package struct QUICTransport: Transport {
    /// What ``ConnectionInfo/security`` says: the handshake is that of TLS 1.3, with libp2p's certificates.
    package static let security = ProtocolID("/tls/1.0.0")
    /// What ``ConnectionInfo/muxer`` says.
    package static let muxer = ProtocolID("/quic-v1")
    /// Whether QUIC was built in; without it every dial and listen fails and names the package trait.
    package static var isBuiltIn: Bool {
        #if QUIC
            true
        #else
            false
        #endif
    }

    /// Why it does nothing.
    private let refusal: TransportError?
    /// What it may dial, if not everything, and why.
    private var restriction: (mayDial: @Sendable (Multiaddr) -> Bool, reason: String)?
    #if QUIC
        let sockets: QUICSockets?
    #endif

    private init(refusal: TransportError) {
        self.refusal = refusal
        #if QUIC
            self.sockets = nil
        #endif
    }

    /// A transport that knows its addresses and refuses them, with a reason for people: for a node whose other settings rule QUIC out.
    package static func refusing(because reason: String) -> QUICTransport {
        QUICTransport(refusal: TransportError(.unsupportedAddress, reason))
    }

    /// The same, which refuses to dial some addresses, with a reason for people.
    package func dialing(only mayDial: @escaping @Sendable (Multiaddr) -> Bool, because reason: String) -> QUICTransport {
        var restricted = self
        restricted.restriction = (mayDial, reason)
        return restricted
    }

    #if QUIC
        private init(sockets: QUICSockets) {
            self.refusal = nil
            self.sockets = sockets
        }
    #endif

    /// - Parameters:
    ///   - identity: signs twice: the secret of stateless resets, and the certificate.
    ///   - metadata: what the application attaches to every handshake, at most 4 KiB. A listener's is readable by dialers
    ///     that have not yet proved who they are.
    ///   - windowBudget: what the receive windows of all connections may grow by; nil bounds only each connection.
    ///   - group: where the sockets live; each socket's connections stay on one of its loops.
    /// - Throws: ``TransportError/Code/securityFailed`` when the identity does not sign, or the metadata is too long.
    package static func make(
        identity: any IdentityKey, metadata: [UInt8] = [], configuration: QUICConfiguration = QUICConfiguration(),
        windowBudget: MemoryBudget? = nil, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = Logger(label: "p2p.quic")
    ) async throws(TransportError) -> QUICTransport {
        #if QUIC
            let credentials = try await QUICCredentials.make(identity: identity, metadata: metadata)
            return QUICTransport(
                sockets: QUICSockets(
                    credentials: credentials, configuration: configuration, windowBudget: windowBudget, group: group, logger: logger))
        #else
            return QUICTransport(
                refusal: TransportError(
                    .notBuiltIn, "QUIC is not built in; build with the package trait QUIC (or Full), which needs ngtcp2"))
        #endif
    }

    /// Looks at the form of the address only.
    package func canDial(_ address: Multiaddr) -> Bool { QUICAddress(address) != nil }

    /// Looks at the form of the address only; names are for dialing.
    package func canListen(on address: Multiaddr) -> Bool { QUICAddress(address)?.isNumeric ?? false }

    /// Resolves a name, and dials its addresses each a little later than the one before. Dials from a socket that listens, where one can; the peer then sees an address at which it can dial back.
    package func dial(
        _ address: Multiaddr, expecting peer: PeerID?, options: DialOptions
    ) async throws(TransportError) -> any MuxedConnection {
        guard let endpoint = QUICAddress(address) else { throw Self.unsupported(address) }
        if let restriction = self.restriction, !restriction.mayDial(address) {
            throw TransportError(.unsupportedAddress, "\(address): \(restriction.reason)")
        }
        #if QUIC
            if let sockets = self.sockets { return try await sockets.dial(endpoint, expecting: peer, options: options) }
        #endif
        throw self.refusal ?? Self.unsupported(address)
    }

    /// Binds an IP address; a wildcard stands for every interface.
    package func listen(on address: Multiaddr) async throws(TransportError) -> any TransportListener {
        guard let endpoint = QUICAddress(address), endpoint.isNumeric else { throw Self.unsupported(address) }
        #if QUIC
            if let sockets = self.sockets { return try await sockets.listen(on: endpoint) }
        #endif
        throw self.refusal ?? Self.unsupported(address)
    }

    private static func unsupported(_ address: Multiaddr) -> TransportError {
        TransportError(.unsupportedAddress, "\(address) is not a QUIC address; it would be /ip4, /ip6 or a name, /udp and /quic-v1")
    }
}
