import NIOCore
import P2PPipeline

/// What is said to a proxy before it passes bytes on: a value without I/O.
enum ProxyDialogue {
    case connect(ConnectDialogue)
    case socks(SOCKSDialogue)

    init(_ proxy: ProxyURL, to target: ProxyTarget) {
        switch proxy.kind {
        case .http, .https: self = .connect(ConnectDialogue(target, credentials: proxy.credentials))
        case .socks5: self = .socks(SOCKSDialogue(target, credentials: proxy.credentials))
        }
    }

    /// What to begin with.
    var opening: ByteBuffer {
        switch self {
        case .connect(let dialogue): dialogue.opening
        case .socks(let dialogue): dialogue.opening
        }
    }

    /// Takes what it needs of the proxy's bytes, and not one of the target's.
    mutating func received(_ bytes: inout ByteBuffer) throws(ProxyError) -> DialogueStep {
        switch self {
        case .connect(var dialogue):
            defer { self = .connect(dialogue) }
            return try dialogue.received(&bytes)
        case .socks(var dialogue):
            defer { self = .socks(dialogue) }
            return try dialogue.received(&bytes)
        }
    }
}
