/// Why a peer was not reached. The message lists every address with its reason.
public struct DialError: CodedError {
    /// Why it failed: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The name of the reason.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// Every address was tried and failed; ``DialError/attempts`` has the reason of each.
        public static let allAddressesFailed = Code("allAddressesFailed")
        /// No address is known for the peer.
        public static let noAddresses = Code("noAddresses")
        /// The address does not say which peer to expect (`/p2p/…`).
        public static let peerRequired = Code("peerRequired")
        /// The peer is this node.
        public static let selfDial = Code("selfDial")
        /// Another peer answered than the one that was asked for.
        public static let peerMismatch = Code("peerMismatch")
        /// The deadline passed before an address led to the peer.
        public static let timedOut = Code("timedOut")
        /// The task that asked was cancelled.
        public static let cancelled = Code("cancelled")
        /// The host does not run, or not any more.
        public static let notRunning = Code("notRunning")
        /// A limit of this node was reached; the message names it.
        public static let resourceLimit = Code("resourceLimit")
    }

    /// Why it failed, for programs.
    public let code: Code
    /// What was tried, where, and why it failed, for people.
    public let message: String
    /// What lies beneath, if anything.
    public let cause: (any Error)?
    /// What was tried, in the order in which it failed.
    public let attempts: [DialAttempt]

    /// - Parameter attempts: are appended to the message.
    public init(_ code: Code, _ message: String, attempts: [DialAttempt] = [], cause: (any Error)? = nil) {
        self.code = code
        self.message = attempts.isEmpty ? message : message + "; " + attempts.map(\.description).joined(separator: "; ")
        self.attempts = attempts
        self.cause = cause
    }
}
