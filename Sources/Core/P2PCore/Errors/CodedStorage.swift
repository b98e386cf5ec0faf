/// What an error consists of, behind one reference: what throws such an error, and every task that might, stays small.
final class CodedStorage<Code: Sendable>: Sendable {
    let code: Code
    let cause: (any Error)?
    private let text: String
    private let compose: (@Sendable () -> String)?

    init(_ code: Code, _ message: String, _ cause: (any Error)?) {
        self.code = code
        self.cause = cause
        self.text = message
        self.compose = nil
    }

    /// - Parameter compose: gives the message whenever somebody asks for it.
    init(_ code: Code, _ cause: (any Error)?, _ compose: @escaping @Sendable () -> String) {
        self.code = code
        self.cause = cause
        self.text = ""
        self.compose = compose
    }

    var message: String { self.compose?() ?? self.text }
}
