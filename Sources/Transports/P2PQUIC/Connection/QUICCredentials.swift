#if QUIC
    import CNgtcp2Shim
    import P2PCertificate
    import P2PCore
    import P2PIdentity

    /// What the handshakes of one host have in common.
    final class QUICCredentials: Sendable {
        let identity: QUICIdentity
        let certificate: QUICCertificate
        /// What Retry tokens are sealed with; they live for seconds.
        let retrySecret: [UInt8]

        static func make(
            identity: any IdentityKey, metadata: [UInt8]
        ) async throws(TransportError) -> QUICCredentials {
            let named = try await QUICIdentity.make(identity: identity)
            do throws(CertificateError) {
                let made = try await HostCertificate.make(identity: identity, metadata: metadata)
                return QUICCredentials(identity: named, certificate: try QUICCertificate(made))
            } catch {
                throw TransportError(.securityFailed, "no certificate can be made with this identity", cause: error)
            }
        }

        private init(identity: QUICIdentity, certificate: QUICCertificate) {
            self.identity = identity
            self.certificate = certificate
            self.retrySecret = Self.randomBytes(32)
        }

        /// The token that belongs to one of our connection ids; the same each time that this node runs.
        func resetToken(of id: QUICConnectionID) -> [UInt8]? {
            var token = [UInt8](repeating: 0, count: QUICResetToken.length)
            let secret = self.identity.resetSecret
            let isMade = withUnsafePointer(to: quic_cid(id)) { quic_reset_token(&token, secret, secret.count, $0) }
            return isMade ? token : nil
        }

        static func randomBytes(_ count: Int) -> [UInt8] {
            var generator = SystemRandomNumberGenerator()
            return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        }
    }

    /// The TLS library's view of a certificate and its key. A session keeps it for as long as it lives.
    final class QUICCertificate: Sendable {
        /// The library counts references itself and locks where it must.
        nonisolated(unsafe) let pointer: OpaquePointer

        init(_ certificate: HostCertificate) throws(CertificateError) {
            var reason: UnsafePointer<CChar>?
            let (der, key) = (certificate.certificateDER, certificate.privateKeyDER)
            guard let pointer = quic_credentials_new(der, der.count, key, key.count, &reason) else {
                let text = reason.map { String(cString: $0) } ?? "no reason given"
                throw CertificateError(.libraryFailure, "the TLS library does not take this node's certificate: \(text)")
            }
            self.pointer = pointer
        }

        deinit {
            quic_credentials_free(self.pointer)
        }
    }
#endif
