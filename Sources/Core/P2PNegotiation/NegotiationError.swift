public import P2PCore

/// Why two sides did not agree on a protocol.
public struct NegotiationError: CodedError {
    /// Why it failed: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The reason's name.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// The peer refused every proposal.
        public static let noCommonProtocol = Code("noCommonProtocol")
        /// The peer does not speak multistream-select 1.0, or broke its framing.
        public static let malformed = Code("malformed")
        /// A message is longer than the limit.
        public static let messageTooLong = Code("messageTooLong")
        /// The peer went on proposing, or asking for lists, beyond the limit.
        public static let tooManyMessages = Code("tooManyMessages")
        /// The peer answered with something that was not proposed.
        public static let unexpectedAnswer = Code("unexpectedAnswer")
        /// A name of ours can't be negotiated: it is one of multistream-select's own words, or no name at all.
        public static let invalidName = Code("invalidName")
        /// The peer finished before there was agreement.
        public static let unexpectedEnd = Code("unexpectedEnd")
    }

    /// Why it failed, for programs.
    public let code: Code
    /// What was tried, where it failed and what to do, for people.
    public let message: String
    /// What lies beneath, if anything.
    public let cause: (any Error)?

    /// An error with a code, a message for people and perhaps a cause.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}
