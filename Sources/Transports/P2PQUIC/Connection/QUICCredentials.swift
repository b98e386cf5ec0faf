#if QUIC
    import CNgtcp2Shim
    import P2PCertificate
    import P2PCore

    /// The TLS library's view of this node's certificate and key.
    final class QUICCredentials: Sendable {
        /// The library counts references itself and locks where it must.
        nonisolated(unsafe) let pointer: OpaquePointer
        let identity: QUICIdentity
        /// What Retry tokens are sealed with; they live for seconds.
        let retrySecret: [UInt8]

        init(_ identity: QUICIdentity) throws(TransportError) {
            var reason: UnsafePointer<CChar>?
            let (certificate, key) = (identity.certificate.certificateDER, identity.certificate.privateKeyDER)
            guard let pointer = quic_credentials_new(certificate, certificate.count, key, key.count, &reason) else {
                let text = reason.map { String(cString: $0) } ?? "no reason given"
                throw TransportError(.securityFailed, "the TLS library does not take this node's certificate: \(text)")
            }
            self.pointer = pointer
            self.identity = identity
            self.retrySecret = Self.randomBytes(32)
        }

        deinit {
            quic_credentials_free(self.pointer)
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
#endif
