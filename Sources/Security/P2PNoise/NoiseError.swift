public import P2PCore

/// Why a Noise channel could not be made, or had to end.
///
/// Every one of them ends the connection: there is no way to go on after a record
/// that doesn't authenticate (Noise spec, section 5.1, "DecryptWithAd").
public struct NoiseError: CodedError {
    /// What went wrong, for programs. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// The connection ended in the middle of the handshake or of a record.
        public static let truncated = Code("truncated")
        /// A handshake message or record is too short to be one.
        public static let messageTooShort = Code("messageTooShort")
        /// Something of ours doesn't fit into a message of 65,535 bytes.
        public static let messageTooLong = Code("messageTooLong")
        /// A handshake message or record did not authenticate: forged, replayed, reordered or damaged.
        public static let authenticationFailed = Code("authenticationFailed")
        /// The peer's Diffie-Hellman key is a low-order point, which would make the secret a known one.
        public static let lowOrderKey = Code("lowOrderKey")
        /// The direction has used up its nonces; none may ever be used twice.
        public static let nonceExhausted = Code("nonceExhausted")
        /// The handshake payload isn't the protobuf message it should be, or lacks its key.
        public static let malformedPayload = Code("malformedPayload")
        /// The identity key in the handshake payload isn't a valid public key.
        public static let invalidIdentityKey = Code("invalidIdentityKey")
        /// The peer's static key isn't signed, or not by the identity key that it presents.
        public static let invalidSignature = Code("invalidSignature")
        /// Somebody answered, but not the peer that was expected.
        public static let peerMismatch = Code("peerMismatch")
        /// Our own identity key refused to sign.
        public static let signingFailed = Code("signingFailed")
        /// The app metadata, ours or the peer's, exceeds ``NoiseLimits/maximumMetadata``.
        public static let metadataTooLong = Code("metadataTooLong")
        /// The machine was asked for a step that isn't its turn: a mistake on our side.
        public static let outOfTurn = Code("outOfTurn")
        /// The crypto library failed for a reason of its own, such as memory.
        public static let libraryFailure = Code("libraryFailure")
        /// The channel was closed, or the handler removed, before the handshake was done.
        public static let closed = Code("closed")
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
