package import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PPipeline

/// The secure channel `/noise`: Noise_XX_25519_ChaChaPoly_SHA256 with libp2p's payloads (libp2p noise spec).
///
/// One value serves all connections of a host. Its static key is made and signed once, by ``make(identity:metadata:)``,
/// so that no handshake waits for the identity key.
package struct NoiseSecurity: SecureChannel {
    /// What multistream-select calls it.
    package static let protocolID: ProtocolID = "/noise"

    private let identity: NoiseIdentity

    /// What multistream-select calls it.
    package var protocolID: ProtocolID { Self.protocolID }

    /// Makes a static key and has it signed.
    ///
    /// - Parameters:
    ///   - identity: signs once.
    ///   - metadata: what the application attaches to every handshake, at most ``NoiseLimits/maximumMetadata`` bytes. A listener's is
    ///     readable by dialers that have not proved who they are yet.
    /// - Throws: `.metadataTooLong`; `.securityFailed` when the identity does not sign.
    package static func make(identity: any IdentityKey, metadata: [UInt8] = []) async throws(TransportError) -> NoiseSecurity {
        do throws(NoiseError) {
            return NoiseSecurity(identity: try await NoiseIdentity.make(identity: identity, metadata: metadata))
        } catch {
            let code: TransportError.Code = error.code == .metadataTooLong ? .metadataTooLong : .securityFailed
            throw TransportError(code, "no Noise handshake can be made with this identity", cause: error)
        }
    }

    private init(identity: NoiseIdentity) {
        self.identity = identity
    }

    /// Adds the handler at the end of the channel's pipeline and runs the handshake; see ``SecureChannel``.
    ///
    /// The promise fails with `.peerMismatch`, `.closed` or `.securityFailed`; the cause says why.
    package func secure(
        _ channel: any Channel, role: ConnectionRole, expecting peer: PeerID?, muxers: [ProtocolID],
        promise: EventLoopPromise<SecuredChannel>
    ) {
        let pool = RecordPool.of(channel.eventLoop)
        let session = NoiseSession(role: role, identity: self.identity, expecting: peer, muxers: muxers, pool: pool)
        let handler = NoiseHandler(session: session, pool: pool, promise: promise)
        do {
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            // A handler that was never added has no other way to answer.
            promise.fail(TransportError(.closed, "Noise: the channel takes no handler any more", cause: error))
        }
    }
}
