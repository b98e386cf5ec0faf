public import P2PCore

/// A host was used in a way that it can't follow.
public struct HostError: CodedError {
    /// Why: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The name of the reason.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// ``PeerHost/run()`` was called before.
        public static let alreadyRun = Code("alreadyRun")
        /// Another handler serves the protocol.
        public static let protocolTaken = Code("protocolTaken")
        /// The handler names no protocol, or one that multistream-select cannot carry, such as its own words `na` and `ls`.
        public static let invalidProtocol = Code("invalidProtocol")
        /// As many peers are to stay connected as a host keeps; the message names the limit.
        public static let tooManyKept = Code("tooManyKept")
    }

    /// Why, for programs.
    public let code: Code
    /// What was wrong, for people.
    public let message: String
    /// What lies beneath, if anything.
    public let cause: (any Error)?

    /// Says why, and what to do instead.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}
