#if TLS
    package import NIOCore
    import P2PCertificate
    package import P2PCore
    package import P2PIdentity
    package import P2PPipeline

    /// The secure channel `/tls/1.0.0`: TLS 1.3 with libp2p's certificates on both sides (libp2p TLS spec).
    ///
    /// One value serves all connections of a host. Its certificate is made and signed once, by ``make(identity:metadata:)``,
    /// so that no handshake waits for the identity key.
    package struct TLSSecurity: SecureChannel {
        /// What multistream-select calls it.
        package static var protocolID: ProtocolID { TLS.id }

        let contexts: TLSContexts

        /// What multistream-select calls it.
        package var protocolID: ProtocolID { Self.protocolID }

        /// Makes a certificate and has it signed.
        ///
        /// - Parameters:
        ///   - identity: signs once.
        ///   - metadata: what the application attaches to every handshake, at most `CertificateLimits.maximumMetadata` bytes. A listener's
        ///     is readable by dialers that have not proved who they are yet.
        /// - Throws: `.metadataTooLong`; `.securityFailed` when the identity does not sign, or no certificate can be made.
        package static func make(identity: any IdentityKey, metadata: [UInt8] = []) async throws(TransportError) -> TLSSecurity {
            do throws(CertificateError) {
                return TLSSecurity(
                    contexts: TLSContexts(certificate: try await HostCertificate.make(identity: identity, metadata: metadata)))
            } catch {
                throw TransportError(
                    error.code == .metadataTooLong ? .metadataTooLong : .securityFailed, "no TLS handshake can be made with this identity",
                    cause: error)
            }
        }

        init(contexts: TLSContexts) {
            self.contexts = contexts
        }

        /// Adds the handlers at the end of the channel's pipeline and runs the handshake; see ``SecureChannel``.
        ///
        /// The promise fails with `.peerMismatch`, `.closed` or `.securityFailed`; the cause says why.
        package func secure(
            _ channel: any Channel, role: ConnectionRole, expecting peer: PeerID?, muxers: [ProtocolID],
            promise: EventLoopPromise<SecuredChannel>
        ) {
            let handshake = TLSHandshake(
                role: role, contexts: self.contexts, expecting: peer, muxers: muxers, pool: RecordPool.of(channel.eventLoop))
            let handler = TLSHandler(handshake: handshake, promise: promise)
            let gate = TLSGate(handshake: handshake, handler: handler)
            do {
                try channel.pipeline.syncOperations.addHandler(handler)
                try channel.pipeline.syncOperations.addHandler(gate, position: .before(handler))
            } catch {
                handler.refuse(TLSError(.closed, "the channel takes no handler any more", cause: error))
            }
        }
    }
#endif
