#if TLS
    import NIOSSL
    import P2PCertificate
    import P2PCore
    import Synchronization

    /// What the library needs for a handshake, made of the host's certificate once for each list of application protocols.
    ///
    /// A listener's list has one entry, which it has picked before; so there are no more lists than muxers, and two.
    final class TLSContexts: Sendable {
        private let certificate: HostCertificate
        private let made = Mutex<[[String]: NIOSSLContext]>([:])

        init(certificate: HostCertificate) {
            self.certificate = certificate
        }

        /// The context that offers, or accepts, these application protocols.
        func context(offering protocols: [String]) throws(TLSError) -> NIOSSLContext {
            if let context = self.made.withLock({ $0[protocols] }) { return context }
            do {
                let context = try NIOSSLContext(configuration: try self.configuration(protocols))
                self.made.withLock { $0[protocols] = context }
                return context
            } catch {
                throw TLSError(.libraryFailure, "the TLS library refused the host's own certificate", cause: error)
            }
        }

        private func configuration(_ protocols: [String]) throws -> TLSConfiguration {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv13
            configuration.maximumTLSVersion = .tlsv13
            configuration.certificateChain = [.certificate(try NIOSSLCertificate(bytes: self.certificate.certificateDER, format: .der))]
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: self.certificate.privateKeyDER, format: .der))
            configuration.applicationProtocols = protocols
            // Both sides must present a certificate; who signed it is judged by CertifiedPeer alone.
            configuration.certificateVerification = .noHostnameVerification
            configuration.trustRoots = .certificates([])
            configuration.verifySignatureAlgorithms = [
                .ecdsaSecp256R1Sha256, .ed25519, .ecdsaSecp384R1Sha384, .ecdsaSecp521R1Sha512, .rsaPssRsaeSha256, .rsaPssRsaeSha384,
                .rsaPssRsaeSha512, .rsaPkcs1Sha256, .rsaPkcs1Sha384, .rsaPkcs1Sha512,
            ]
            configuration.shutdownTimeout = TLSLimits.shutdownTimeout
            configuration.renegotiationSupport = .none
            return configuration
        }
    }
#endif
