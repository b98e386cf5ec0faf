import P2PCore
import P2PIdentity

/// Why a command failed: a code for scripts and a message for people.
struct ToolError: Error, Equatable, CustomStringConvertible {
    /// The longest message that is shown, in characters.
    static let maximumLength = 2_000

    /// The code for output that nobody reads any more.
    static let outputClosed = "outputClosed"

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
            self.init(error.code.description, Self.message(error.message, error.cause))
        case let error as IdentityError:
            self.init(error.code.description, Self.message(error.message, error.cause))
        case is CancellationError, is Interruption:
            self.init("cancelled", "interrupted")
        default:
            self.init("failed", "\(error)")
        }
    }

    /// The message with its cause, unless it says that already.
    private static func message(_ message: String, _ cause: (any Error)?) -> String {
        guard let cause else { return message }
        let beneath = (cause as? any CodedError)?.message ?? "\(cause)"
        return message.contains(beneath) ? message : "\(message): \(cause)"
    }

    var description: String { PeerText(self.message, limit: Self.maximumLength).description }
}
