import P2PCore
import P2PIdentity

/// Why a command failed: a code for scripts and a message for people.
struct ToolError: Error, Equatable, CustomStringConvertible {
    /// The longest message that is shown, in characters.
    static let maximumLength = 2_000

    let code: String
    let message: String

    init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: any Error) {
        switch error {
        case let error as ToolError:
            self = error
        case let error as any CodedError:
            self.init(error.code.description, error.cause.map { "\(error.message): \($0)" } ?? error.message)
        case let error as IdentityError:
            self.init(error.code.description, error.cause.map { "\(error.message): \($0)" } ?? error.message)
        case is CancellationError:
            self.init("cancelled", "interrupted")
        default:
            self.init("failed", "\(error)")
        }
    }

    var description: String { PeerText(self.message, limit: Self.maximumLength).description }
}
