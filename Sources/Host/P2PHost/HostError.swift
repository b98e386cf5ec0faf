public import P2PCore

/// A host was used in a way that it can't follow.
public struct HostError: CodedError {
    /// Why: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// ``PeerHost/run()`` was called before.
        public static let alreadyRun = Code("alreadyRun")
        /// Another handler serves the protocol.
        public static let protocolTaken = Code("protocolTaken")
        /// The handler names no protocol, or one that multistream-select cannot carry.
        public static let invalidProtocol = Code("invalidProtocol")
    }

    public let code: Code
    public let message: String
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}
