/// An implementation broke its contract.
public struct ConformanceFailure: Error, CustomStringConvertible {
    /// What was expected, and what came instead.
    public let message: String
    /// What the implementation threw, if it did.
    public let cause: (any Error)?

    /// A failure that says what did not hold.
    public init(_ message: String, cause: (any Error)? = nil) {
        self.message = message
        self.cause = cause
    }

    /// For people.
    public var description: String {
        guard let cause = self.cause else { return self.message }
        return "\(self.message): \(cause)"
    }
}
