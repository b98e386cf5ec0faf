import NIOCore
package import P2PCore
import P2PPipeline

/// What a WebSocket peer did wrong, or why a WebSocket came to nothing.
package typealias WebSocketError = CodedFailure<WebSocketTransport>

extension WebSocketError.Code {
    /// The HTTP head breaks the grammar of RFC 9112, or a limit.
    package static var malformedHead: Self { Self("malformedHead") }
    /// The head is HTTP, but not a handshake that can be answered or accepted (RFC 6455, section 4).
    package static var refused: Self { Self("refused") }
    /// A frame breaks RFC 6455, section 5.
    package static var protocolError: Self { Self("protocolError") }
    /// A text frame arrived where only binary ones have a meaning.
    package static var unsupportedData: Self { Self("unsupportedData") }
    /// Text is not UTF-8.
    package static var invalidText: Self { Self("invalidText") }
    /// The peer sends too much that carries nothing.
    package static var rateLimited: Self { Self("rateLimited") }
    /// TLS below failed.
    package static var insecure: Self { Self("insecure") }
    /// The connection ended first.
    package static var closed: Self { Self("closed") }
}

extension WebSocketError {
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
