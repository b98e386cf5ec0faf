import NIOCore
import P2PCore
import P2PHTTPHead

/// A client's half of the opening handshake (RFC 6455, section 4.1).
struct WebSocketRequest: Sendable {
    let path: String
    let host: String
    let fields: [WebSocketHeaderField]
    private let key = WebSocketKey.random()

    init(path: String, host: String, fields: [WebSocketHeaderField]) {
        self.path = path
        self.host = host
        self.fields = fields
    }

    /// The request, as it is sent.
    var bytes: ByteBuffer {
        var text = "GET \(self.path) HTTP/1.1\r\nHost: \(self.host)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        text += "Sec-WebSocket-Key: \(self.key.text)\r\nSec-WebSocket-Version: 13\r\n"
        for field in self.fields { text += field.line }
        return ByteBuffer(string: text + "\r\n")
    }

    /// Checks the server's answer: without this nothing more is sent.
    func check(_ response: HTTPHead) throws(WebSocketError) {
        guard let status = response.status, response.startLine.hasPrefix("HTTP/1.1") else {
            throw WebSocketError(.malformedHead, "the answer is not HTTP/1.1: \(HTTPHead.excerpt(response.startLine))")
        }
        guard status == 101 else { throw WebSocketError(.refused, "the server answered \(HTTPHead.excerpt(response.startLine))") }
        guard response.list("upgrade", has: "websocket"), response.list("connection", has: "upgrade") else {
            throw WebSocketError(.refused, "the server switched to something else than a WebSocket")
        }
        guard response.single("sec-websocket-accept") == self.key.accept else {
            throw WebSocketError(.refused, "the server's Sec-WebSocket-Accept does not answer our key")
        }
        guard response.values("sec-websocket-extensions").isEmpty, response.values("sec-websocket-protocol").isEmpty else {
            throw WebSocketError(.refused, "the server chose an extension or a protocol that was not offered")
        }
    }
}

/// A header field that an application adds to its handshakes.
public struct WebSocketHeaderField: Sendable, Hashable {
    /// The name, a token.
    public let name: String
    /// The value, printable.
    public let value: String

    /// Nil when the name is no token or the value holds more than printable ASCII, which could end the field or the head.
    public init?(_ name: String, _ value: String) {
        let separators = "\"(),/:;<=>?@[\\]{}".utf8
        guard !name.isEmpty, name.utf8.allSatisfy({ (0x21..<0x7f).contains($0) && !separators.contains($0) }),
            value.utf8.allSatisfy({ (0x20..<0x7f).contains($0) })
        else { return nil }
        self.name = name
        self.value = value
    }

    var line: String { "\(self.name): \(self.value)\r\n" }
}
