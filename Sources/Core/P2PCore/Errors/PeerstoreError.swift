/// Why a peerstore could not be opened, or would not keep something.
public struct PeerstoreError: CodedError {
    /// Why: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The reason's name.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// The file can't be opened, made, read or written; the cause says why.
        public static let unavailable = Code("peerstoreUnavailable")
        /// The file is readable or writable for others than its owner.
        public static let exposed = Code("peerstoreExposed")
        /// The file is no database, or a damaged one. Nothing was changed.
        public static let damaged = Code("peerstoreDamaged")
        /// A later version of this package has written the file.
        public static let tooNew = Code("peerstoreTooNew")
        /// Metadata that are longer than a limit allows, or one entry too many; the message names the limit.
        public static let tooLarge = Code("peerstoreTooLarge")
        /// The part that this needs was not compiled in; the message names the package trait.
        public static let notBuiltIn = Code("notBuiltIn")
    }

    /// Why, for programs.
    public let code: Code
    /// What was tried and where it failed, for people.
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
