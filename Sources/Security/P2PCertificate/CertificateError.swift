public import P2PCore

/// Why a certificate could not be made, or a peer's was refused.
public struct CertificateError: CodedError {
    /// What went wrong, for programs. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// The peer presented no certificate, or a chain of them; exactly one is allowed.
        public static let wrongCount = Code("wrongCount")
        /// The certificate is larger than ``CertificateLimits/maximumSize``.
        public static let tooLarge = Code("tooLarge")
        /// The bytes are no X.509 certificate of version 3 in DER, or one with a part that may not be there.
        public static let malformed = Code("malformed")
        /// The certificate is not valid any more.
        public static let expired = Code("expired")
        /// The certificate is not valid yet.
        public static let notYetValid = Code("notYetValid")
        /// An extension is critical that nobody here understands.
        public static let unknownCriticalExtension = Code("unknownCriticalExtension")
        /// The extension that names the host key is not there.
        public static let missingExtension = Code("missingExtension")
        /// The extension that names the host key is there but does not hold a key and a signature.
        public static let malformedExtension = Code("malformedExtension")
        /// The certificate's key and signature are of a kind that TLS 1.3 does not know, or do not belong together.
        public static let unsupportedAlgorithm = Code("unsupportedAlgorithm")
        /// The certificate is not signed by its own key.
        public static let invalidSelfSignature = Code("invalidSelfSignature")
        /// The host key in the extension is not a valid public key.
        public static let invalidHostKey = Code("invalidHostKey")
        /// The host key did not sign the certificate's key.
        public static let invalidHostSignature = Code("invalidHostSignature")
        /// The certificate belongs to another peer than the one that was expected.
        public static let peerMismatch = Code("peerMismatch")
        /// The app metadata, ours or the peer's, exceeds ``CertificateLimits/maximumMetadata``.
        public static let metadataTooLong = Code("metadataTooLong")
        /// Our own identity key refused to sign.
        public static let signingFailed = Code("signingFailed")
        /// The crypto library failed for a reason of its own.
        public static let libraryFailure = Code("libraryFailure")
    }

    /// What went wrong, for programs.
    public let code: Code
    /// What went wrong and where, for people.
    public let message: String
    /// What lies beneath, if anything.
    public let cause: (any Error)?

    /// An error with its code and a message that says where.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}
