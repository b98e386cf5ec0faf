/// The shape of an error that says no more than why: a code, a message and a cause.
///
/// `Subject` is the type whose work failed; it does nothing but tell errors apart. Name and codes are given beside it:
/// ```swift
/// public typealias RendezvousError = CodedFailure<Rendezvous>
///
/// extension RendezvousError.Code {
///     /// The namespace is longer than a rendezvous point takes.
///     public static var namespaceTooLong: Self { Self("namespaceTooLong") }
/// }
/// ```
public struct CodedFailure<Subject: ~Copyable>: CodedError {
    /// Why it failed: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The reason's name.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }
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
