internal import Crypto
import P2PMultiformats

/// The nonce of a handshake and its answer, which shows that the other side speaks WebSocket (RFC 6455, section 1.3).
struct WebSocketKey: Equatable, Sendable {
    private static let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// 16 bytes in base64.
    let text: String

    /// A fresh one.
    static func random() -> WebSocketKey {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        return WebSocketKey(encoding: bytes)
    }

    init(encoding bytes: [UInt8]) {
        self.text = Self.base64(bytes)
    }

    /// Takes a peer's; nil unless it is 16 bytes in base64.
    init?(text: String) {
        guard text.utf8.count == 24, (try? Multibase.decode("M\(text)"))?.count == 16 else { return nil }
        self.text = text
    }

    /// What `Sec-WebSocket-Accept` must say.
    var accept: String {
        Self.base64(Array(Insecure.SHA1.hash(data: Array((self.text + Self.guid).utf8))))
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        String(Multibase.encode(bytes, as: .base64pad).dropFirst())
    }
}
