/// Why a connection ended, or could not open a stream.
public struct ConnectionError: CodedError {
    /// Why it failed: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The name of the reason, as logs and JSON show it.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// This side closed the connection.
        public static let closed = Code("closed")
        /// The peer said goodbye (GoAway, CONNECTION_CLOSE).
        public static let closedByPeer = Code("closedByPeer")
        /// The transport broke: end of file or reset without a goodbye.
        public static let lost = Code("lost")
        /// The peer stopped answering keep-alive probes.
        public static let keepAliveTimedOut = Code("keepAliveTimedOut")
        /// The peer broke the muxer's or the secure channel's rules.
        public static let protocolViolation = Code("protocolViolation")
        /// Too many streams, or another limit of this connection.
        public static let resourceLimit = Code("resourceLimit")
        /// The peer takes no new streams any more.
        public static let goingAway = Code("goingAway")
        /// Every stream id was used; open a new connection.
        public static let streamIDsExhausted = Code("streamIDsExhausted")
        /// The task that asked was cancelled.
        public static let cancelled = Code("cancelled")
    }

    private let storage: CodedStorage<Code>

    /// Why it failed, for programs.
    public var code: Code { self.storage.code }
    /// What was tried, where it failed and what to do, for people.
    public var message: String { self.storage.message }
    /// What lies beneath, if anything.
    public var cause: (any Error)? { self.storage.cause }

    /// An error with a code, a message for people and perhaps a cause.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.storage = CodedStorage(code, message, cause)
    }

    /// The same about a connection, for the endings that every connection has: nobody reads most of them, and to spell a connection out takes
    /// longer than to end it. Composed anew whenever somebody asks.
    package init(
        _ code: Code, about connection: ConnectionInfo, cause: (any Error)? = nil, _ message: @escaping @Sendable (String) -> String
    ) {
        self.storage = CodedStorage(code, cause) { message(connection.description) }
    }
}
