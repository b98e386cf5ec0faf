public import P2PCore

/// Why the two sides of a plaintext connection did not exchange their keys.
public struct PlaintextError: CodedError {
    /// What went wrong, for programs. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// The connection ended in the middle of the exchange.
        public static let truncated = Code("truncated")
        /// The peer's message is longer than ``PlaintextLimits/maximumMessage``.
        public static let messageTooLong = Code("messageTooLong")
        /// The length in front of the message, or the message, isn't what it should be.
        public static let malformed = Code("malformed")
        /// The key in the message isn't a valid public key.
        public static let invalidIdentityKey = Code("invalidIdentityKey")
        /// The id in the message isn't that of the key beside it.
        public static let inconsistentIdentity = Code("inconsistentIdentity")
        /// Somebody answered, but not the peer that was expected.
        public static let peerMismatch = Code("peerMismatch")
        /// Our own message was not encoded.
        public static let libraryFailure = Code("libraryFailure")
        /// The channel was closed, or the handler removed, before the exchange was done.
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
