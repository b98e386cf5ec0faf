public import P2PCore
public import P2PHost
public import P2PIdentity
import P2PPipeline

extension PeerHost {
    /// A host over QUIC, TCP and WebSocket with identify, ping and whatever modules it is given.
    ///
    /// - Parameters:
    ///   - identity: names the node; it signs once for its handshakes and once for each change of its addresses. Nil makes a new Ed25519 key,
    ///     of this run only.
    ///   - configuration: what the stack is told.
    ///   - modules: what stands on the stack: protocols, sources of peers, subsystems.
    /// - Throws: ``TransportError/Code/invalidConfiguration`` for secure channels or muxers that are none, or named twice, and for plaintext
    ///   beside a secure channel; ``TransportError/Code/securityFailed`` when the identity does not sign;
    ///   ``TransportError/Code/metadataTooLong``; ``TransportError/Code/privateNetworkRequired`` when `LIBP2P_FORCE_PNET=1` and there is
    ///   no key; and what the modules throw.
    public static func standard(
        identity: (any IdentityKey)? = nil, configuration: StandardConfiguration = StandardConfiguration(),
        modules: [any HostModule] = .standard
    ) async throws -> PeerHost {
        let surroundings = configuration.surroundings
        let upgrading = Upgrading(
            security: configuration.security, muxers: configuration.muxers, protector: try surroundings.protector(),
            negotiatesMuxersEarly: configuration.negotiatesMuxersEarly)
        return try await self.make(
            identity: try identity ?? PrivateKey.generate(.ed25519),
            modules: [upgrading] + surroundings.detour + configuration.transports + modules, configuration: configuration.host,
            surroundings: try surroundings.facts(), appMetadata: configuration.appMetadata, gater: configuration.gater,
            peerstore: configuration.peerstore, windowBudget: configuration.windowBudget, group: configuration.group,
            logger: configuration.logger)
    }
}
