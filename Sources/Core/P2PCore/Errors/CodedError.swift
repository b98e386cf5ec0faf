/// An error with a code for programs, a message for people and a cause for the curious.
///
/// Two errors are equal when their codes are.
public protocol CodedError: Error, Equatable, CustomStringConvertible {
    /// The open set of reasons.
    associatedtype Code: Hashable, Sendable, CustomStringConvertible
    /// Why it failed, for programs.
    var code: Code { get }
    /// What was tried, where it failed and what to do, for people.
    var message: String { get }
    /// What lies beneath, if anything.
    var cause: (any Error)? { get }
}

extension CodedError {
    /// Whether the codes are equal.
    public static func == (left: Self, right: Self) -> Bool { left.code == right.code }

    /// The code, the message and the cause in one line, for logs and people. A cause that only says the message again is left out.
    public var description: String {
        var cause = self.cause
        while let coded = cause as? any CodedError, self.message.contains(coded.message) { cause = coded.cause }
        guard let cause else { return "\(self.code): \(self.message)" }
        return "\(self.code): \(self.message) (\(cause))"
    }
}
