/// What an error consists of, behind one reference: what throws such an error, and every task that might, stays small.
final class CodedStorage<Code: Sendable>: Sendable {
    let code: Code
    let message: String
    let cause: (any Error)?

    init(_ code: Code, _ message: String, _ cause: (any Error)?) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}
