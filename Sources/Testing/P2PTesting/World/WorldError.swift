public import P2PCore

/// Why a ``World`` could not do what it was asked to.
public struct WorldError: CodedError {
    /// The open set of reasons.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// Its name.
        public let description: String

        private init(_ description: String) { self.description = description }

        /// It did not come about within the time that it had.
        public static let timedOut = Code("timedOut")
        /// Everybody waits, and nobody for a time: it can't come about any more.
        public static let stuck = Code("stuck")
        /// Tasks keep each other busy without time passing.
        public static let spinning = Code("spinning")
        /// A task of the world asked what only somebody outside may.
        public static let insideTheWorld = Code("insideTheWorld")
        /// A host that was shut down still holds something.
        public static let leftovers = Code("leftovers")
    }

    /// Why it failed, for programs.
    public let code: Code
    /// What happened, for people.
    public let message: String
    /// What lies beneath, if anything.
    public let cause: (any Error)?

    init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}
