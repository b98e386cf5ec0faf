package import P2PCore

/// Why a certificate could not be made, or a peer's was refused.
package typealias CertificateError = CodedFailure<HostCertificate>

extension CertificateError.Code {
    /// The peer presented no certificate, or a chain of them; exactly one is allowed.
    package static var wrongCount: Self { Self("wrongCount") }
    /// The certificate is larger than ``CertificateLimits/maximumSize``.
    package static var tooLarge: Self { Self("tooLarge") }
    /// The bytes are no X.509 certificate of version 3 in DER, or one with a part that may not be there.
    package static var malformed: Self { Self("malformed") }
    /// The certificate is right, but by this machine's clock it is not valid any more.
    package static var expired: Self { Self("expired") }
    /// The certificate is right, but by this machine's clock it is not valid yet.
    package static var notYetValid: Self { Self("notYetValid") }
    /// An extension is critical that nobody here understands.
    package static var unknownCriticalExtension: Self { Self("unknownCriticalExtension") }
    /// The extension that names the host key is not there.
    package static var missingExtension: Self { Self("missingExtension") }
    /// The extension that names the host key is there but does not hold a key and a signature.
    package static var malformedExtension: Self { Self("malformedExtension") }
    /// The certificate's key and signature are of a kind that TLS 1.3 does not know, or do not belong together.
    package static var unsupportedAlgorithm: Self { Self("unsupportedAlgorithm") }
    /// The certificate is not signed by its own key.
    package static var invalidSelfSignature: Self { Self("invalidSelfSignature") }
    /// The host key in the extension is not a valid public key.
    package static var invalidHostKey: Self { Self("invalidHostKey") }
    /// The host key did not sign the certificate's key.
    package static var invalidHostSignature: Self { Self("invalidHostSignature") }
    /// The certificate belongs to another peer than the one that was expected.
    package static var peerMismatch: Self { Self("peerMismatch") }
    /// The app metadata, ours or the peer's, exceeds ``CertificateLimits/maximumMetadata``.
    package static var metadataTooLong: Self { Self("metadataTooLong") }
    /// Our own identity key refused to sign.
    package static var signingFailed: Self { Self("signingFailed") }
    /// The crypto library failed for a reason of its own.
    package static var libraryFailure: Self { Self("libraryFailure") }
}

extension CertificateError {
    /// What a dialer or listener is told of a certificate that was refused.
    package var transportCode: TransportError.Code {
        switch self.code {
        case .peerMismatch: .peerMismatch
        case .expired, .notYetValid: .clocksDisagree
        default: .securityFailed
        }
    }
}
