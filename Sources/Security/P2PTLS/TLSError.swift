#if TLS
    import P2PCertificate
    package import P2PCore

    /// Why a TLS channel could not be made, or had to end.
    ///
    /// When a peer's certificate was refused, the cause is the `CertificateError` that says why.
    package typealias TLSError = CodedFailure<TLSSecurity>

    extension TLSError.Code {
        /// The connection ended without close_notify: what is missing, nobody knows.
        package static var truncated: Self { Self("truncated") }
        /// The channel was closed, or the handler removed, before the handshake was done.
        package static var closed: Self { Self("closed") }
        /// The peer's certificate is refused; the cause says why.
        package static var certificateRefused: Self { Self("certificateRefused") }
        /// The peer presented no certificate.
        package static var noCertificate: Self { Self("noCertificate") }
        /// Somebody answered, but not the peer that was expected.
        package static var peerMismatch: Self { Self("peerMismatch") }
        /// The two sides share no version of TLS; here there is only 1.3.
        package static var unsupportedVersion: Self { Self("unsupportedVersion") }
        /// The peer named no application protocol, or none that is spoken here.
        package static var noApplicationProtocol: Self { Self("noApplicationProtocol") }
        /// The peer sent more than ``TLSLimits`` allow before it had proved who it is.
        package static var handshakeTooLong: Self { Self("handshakeTooLong") }
        /// The peer ended the connection with an alert; the message names it.
        package static var alerted: Self { Self("alerted") }
        /// The handshake broke the protocol in another way; the cause says how.
        package static var handshakeFailed: Self { Self("handshakeFailed") }
        /// A record did not authenticate, or is none.
        package static var recordRefused: Self { Self("recordRefused") }
        /// The TLS library refused our own configuration.
        package static var libraryFailure: Self { Self("libraryFailure") }
    }

    extension TLSError {
        /// What dialers and listeners are told.
        var transportError: TransportError {
            switch self.code {
            case .peerMismatch: TransportError(.peerMismatch, self.message, cause: self)
            case .certificateRefused:
                TransportError((self.cause as? CertificateError)?.transportCode ?? .securityFailed, "TLS: \(self.message)", cause: self)
            case .truncated, .closed: TransportError(.closed, "TLS: \(self.message)", cause: self)
            default: TransportError(.securityFailed, "TLS: \(self.message)", cause: self)
            }
        }
    }
#endif
