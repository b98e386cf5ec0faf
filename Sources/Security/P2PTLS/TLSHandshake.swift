#if TLS
    import NIOCore
    import NIOSSL
    import P2PCertificate
    import P2PCore
    import P2PIdentity
    import P2PPipeline

    /// What one connection's handlers know of it until its handshake is done. Confined to the channel's event loop.
    final class TLSHandshake {
        let role: ConnectionRole
        let pool: RecordPool
        private let contexts: TLSContexts
        private let expected: PeerID?
        private let muxers: [ProtocolID]
        /// What was said of the peer's certificate; nil before it came.
        private var verdict: Result<CertifiedPeer, CertificateError>?

        init(role: ConnectionRole, contexts: TLSContexts, expecting expected: PeerID?, muxers: [ProtocolID], pool: RecordPool) {
            self.role = role
            self.contexts = contexts
            self.expected = expected
            self.muxers = muxers
            self.pool = pool
        }

        // MARK: Beginning

        /// The library's handler of a dialer.
        func dial() throws(TLSError) -> NIOSSLHandler {
            let context = try self.contexts.context(offering: ApplicationProtocols.offers(of: self.muxers))
            do {
                // No name is sent: the spec keeps SNI for versions to come.
                return try NIOSSLClientHandler(context: context, serverHostname: nil, customVerificationCallback: self.verify)
            } catch {
                throw TLSError(.libraryFailure, "the TLS library refused to dial", cause: error)
            }
        }

        /// The library's handler of a listener, once it is known what the dialer offers.
        ///
        /// - Parameter offers: nil when its first message could not be read; the library will say why.
        func accept(_ offers: [[UInt8]]?) throws(TLSError) -> NIOSSLHandler {
            let choice = offers.map { ApplicationProtocols.choice(from: $0, muxers: self.muxers) } ?? ApplicationProtocols.libp2p
            guard let choice else {
                throw TLSError(
                    .noApplicationProtocol, "the dialer offers \(offers?.count ?? 0) application protocols, and none that is spoken here")
            }
            let context = try self.contexts.context(offering: [choice])
            return NIOSSLServerHandler(context: context, customVerificationCallback: self.verify)
        }

        // MARK: The peer's certificate

        private func verify(_ chain: [NIOSSLCertificate], promise: EventLoopPromise<NIOSSLVerificationResult>) {
            promise.succeed(self.judge(chain) ? .certificateVerified : .failed)
        }

        @discardableResult
        private func judge(_ chain: [NIOSSLCertificate]) -> Bool {
            do throws(CertificateError) {
                let chainDER = chain.map { (try? $0.toDERBytes()) ?? [] }
                self.verdict = .success(try CertifiedPeer.verify(chainDER: chainDER, expecting: self.expected))
                return true
            } catch {
                self.verdict = .failure(error)
                return false
            }
        }

        /// What refused the peer's certificate, rather than the library's word for it; nil when that isn't what went wrong.
        var refusal: TLSError? {
            guard case .failure(let error) = self.verdict else { return nil }
            if error.code == .peerMismatch { return TLSError(.peerMismatch, error.message, cause: error) }
            return TLSError(.certificateRefused, error.message, cause: error)
        }

        // MARK: The end

        /// What the finished handshake brought to light.
        ///
        /// - Parameters:
        ///   - name: the application protocol that was agreed on.
        ///   - certificate: the peer's; of a session that is resumed it is all that there is, and is judged again.
        func finish(name: String?, certificate: NIOSSLCertificate?, records: any RecordWriter) throws(TLSError) -> SecuredChannel {
            if self.verdict == nil, let certificate { self.judge([certificate]) }
            if let refusal = self.refusal { throw refusal }
            guard case .success(let peer) = self.verdict else {
                throw TLSError(.noCertificate, "the handshake ended without a certificate of the peer")
            }
            guard let name else {
                throw TLSError(.noApplicationProtocol, "the handshake ended without an application protocol")
            }
            return SecuredChannel(
                remotePeer: peer.peer, remoteKey: peer.key, earlyMuxer: ApplicationProtocols.muxer(of: name), appMetadata: peer.metadata,
                records: records)
        }
    }
#endif
