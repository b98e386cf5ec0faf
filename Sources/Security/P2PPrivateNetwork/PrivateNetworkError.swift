public import P2PCore

/// Why a private network's key is no good, or a connection does not belong to the network.
public struct PrivateNetworkError: CodedError {
    /// What went wrong, for programs. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// What should be a key, or a file with one, isn't.
        public static let malformedKey = Code("malformedKey")
        /// The peer ended the connection before it had sent its nonce, or anything behind it.
        public static let nonceMissing = Code("nonceMissing")
        /// The peer sent our own nonce back, so it shows no key of its own.
        public static let nonceReflected = Code("nonceReflected")
        /// What the peer sent makes no sense under this network's key: it has another one, or none.
        public static let keyMismatch = Code("keyMismatch")
        /// One direction has carried as much as its key stream is counted for.
        public static let keyStreamExhausted = Code("keyStreamExhausted")
        /// This build leaves private networks out; the message names the package trait that brings them in.
        public static let notBuiltIn = Code("notBuiltIn")
        /// The crypto library failed for a reason of its own.
        public static let libraryFailure = Code("libraryFailure")
    }

    /// What went wrong, for programs.
    public let code: Code
    /// What went wrong and where, for people. Never contains key material.
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
