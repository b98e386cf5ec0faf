import NIOCore
public import P2PCore
import P2PPipeline

/// What a WebSocket peer did wrong, or why a WebSocket came to nothing.
public struct WebSocketError: CodedError {
    /// The reason: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The reason's name.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// The HTTP head breaks the grammar of RFC 9112, or a limit.
        public static let malformedHead = Code("malformedHead")
        /// The head is HTTP, but not a handshake that can be answered or accepted (RFC 6455, section 4).
        public static let refused = Code("refused")
        /// A frame breaks RFC 6455, section 5.
        public static let protocolError = Code("protocolError")
        /// A text frame arrived where only binary ones have a meaning.
        public static let unsupportedData = Code("unsupportedData")
        /// Text is not UTF-8.
        public static let invalidText = Code("invalidText")
        /// The peer sends too much that carries nothing.
        public static let rateLimited = Code("rateLimited")
        /// TLS below failed.
        public static let insecure = Code("insecure")
        /// The connection ended first.
        public static let closed = Code("closed")
    }

    /// Why, for programs.
    public let code: Code
    /// What and where, for people.
    public let message: String
    /// What lies beneath, if anything.
    public let cause: (any Error)?

    init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// What an error of the channel, or of TLS below, means for a handshake.
    static func broken(by error: any Error) -> WebSocketError {
        let isTransport = error is IOError || error is ChannelError
        return WebSocketError(
            isTransport ? .closed : .insecure, "the channel broke before the handshake was done", cause: error)
    }

    /// What the channel's end in the middle of a handshake means.
    init(_ end: DialogueEnd, before what: String) {
        switch end {
        case .closed: self.init(.closed, "the connection ended before \(what)")
        case .takenDown: self.init(.closed, "the channel was taken down before the handshake was done")
        case .broken(let error): self = .broken(by: error)
        }
    }

    /// The same for whoever asked for a connection.
    var asTransportError: TransportError {
        let code: TransportError.Code =
            switch self.code {
            case .closed: .closed
            case .insecure: .securityFailed
            default: .negotiationFailed
            }
        return TransportError(code, "WebSocket: \(self.message)", cause: self.cause)
    }

    /// What the close frame says about it (RFC 6455, section 7.4.1).
    var closeCode: WebSocketCloseCode {
        switch self.code {
        case .unsupportedData: .unsupportedData
        case .invalidText: .invalidPayload
        case .rateLimited: .policyViolation
        default: .protocolError
        }
    }
}
