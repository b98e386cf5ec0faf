public import P2PCore

/// Why a TLS channel could not be made, or had to end.
///
/// When a peer's certificate was refused, the cause is the `CertificateError` that says why.
public struct TLSError: CodedError {
    /// What went wrong, for programs. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// The connection ended without close_notify: what is missing, nobody knows.
        public static let truncated = Code("truncated")
        /// The channel was closed, or the handler removed, before the handshake was done.
        public static let closed = Code("closed")
        /// The peer's certificate is refused; the cause says why.
        public static let certificateRefused = Code("certificateRefused")
        /// The peer presented no certificate.
        public static let noCertificate = Code("noCertificate")
        /// Somebody answered, but not the peer that was expected.
        public static let peerMismatch = Code("peerMismatch")
        /// The two sides share no version of TLS; here there is only 1.3.
        public static let unsupportedVersion = Code("unsupportedVersion")
        /// The peer named no application protocol, or none that is spoken here.
        public static let noApplicationProtocol = Code("noApplicationProtocol")
        /// The peer sent more than ``TLSLimits`` allow before it had proved who it is.
        public static let handshakeTooLong = Code("handshakeTooLong")
        /// The peer ended the connection with an alert; the message names it.
        public static let alerted = Code("alerted")
        /// The handshake broke the protocol in another way; the cause says how.
        public static let handshakeFailed = Code("handshakeFailed")
        /// A record did not authenticate, or is none.
        public static let recordRefused = Code("recordRefused")
        /// Our own certificate could not be made; the cause says why.
        public static let certificateNotMade = Code("certificateNotMade")
        /// The TLS library refused our own configuration.
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

    /// What dialers and listeners are told.
    var transportError: TransportError {
        switch self.code {
        case .peerMismatch: TransportError(.peerMismatch, self.message, cause: self)
        case .truncated, .closed: TransportError(.closed, "TLS: \(self.message)", cause: self)
        default: TransportError(.securityFailed, "TLS: \(self.message)", cause: self)
        }
    }
}
