package import NIOCore
import P2PCore
package import P2PHTTPHead
import P2PMultiaddr

/// A server's half of the opening handshake (RFC 6455, section 4.2): what it asks for, and what it says.
package enum WebSocketAnswer: Equatable {
    /// 101 and its fields: from here on there are frames.
    case accept(ByteBuffer)
    /// Another status, after which the connection ends.
    case refuse(ByteBuffer, WebSocketError)

    /// What a listener wants of a request.
    package struct Terms: Sendable {
        /// The path that is served, percent-encoded; nil serves every path.
        var path: String?
        /// Origins whose pages may connect; nil lets all.
        var origins: [String]?
        /// Fields that the application adds to the answer.
        var fields: [WebSocketHeaderField] = []

        package init(path: String? = nil, origins: [String]? = nil, fields: [WebSocketHeaderField] = []) {
            self.path = path
            self.origins = origins
            self.fields = fields
        }

        /// Nil if the page that asks may connect, or if it is no page.
        func refusal(ofOriginsOf request: HTTPHead) -> WebSocketRefusal? {
            guard let origins, let origin = request.values("origin").first(where: { !origins.contains($0) }) else { return nil }
            return WebSocketRefusal("403 Forbidden", "pages of \(HTTPHead.excerpt(origin)) may not connect")
        }
    }

    /// What to send.
    var bytes: ByteBuffer {
        switch self {
        case .accept(let bytes), .refuse(let bytes, _): bytes
        }
    }

    package init(to request: HTTPHead, terms: Terms) {
        do throws(WebSocketRefusal) {
            let key = try Self.check(request, terms: terms)
            var text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            text += "Sec-WebSocket-Accept: \(key.accept)\r\n"
            for field in terms.fields { text += field.line }
            self = .accept(ByteBuffer(string: text + "\r\n"))
        } catch {
            self = error.answer
        }
    }

    private static func check(_ request: HTTPHead, terms: Terms) throws(WebSocketRefusal) -> WebSocketKey {
        let parts = request.startLine.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2] == "HTTP/1.1" else { throw .badRequest("the request is not HTTP/1.1") }
        guard parts[0] == "GET" else { throw WebSocketRefusal("405 Method Not Allowed", "the method is not GET", field: "Allow: GET\r\n") }
        guard request.single("host") != nil else { throw .badRequest("there is not one Host") }
        guard request.list("upgrade", has: "websocket"), request.list("connection", has: "upgrade") else {
            throw WebSocketRefusal(
                "426 Upgrade Required", "the request asks for no WebSocket", field: "Upgrade: websocket\r\n", closes: "Upgrade, close")
        }
        guard request.values("transfer-encoding").isEmpty, request.values("content-length").allSatisfy({ $0 == "0" }) else {
            throw .badRequest("a handshake has no content")
        }
        guard request.single("sec-websocket-version") == "13" else {
            throw WebSocketRefusal("426 Upgrade Required", "the version is not 13", field: "Sec-WebSocket-Version: 13\r\n")
        }
        guard let key = request.single("sec-websocket-key").flatMap({ WebSocketKey(text: $0) }) else {
            throw .badRequest("there is not one Sec-WebSocket-Key of 16 bytes")
        }
        if let path = terms.path, !Self.matches(parts[1], path) {
            throw WebSocketRefusal("404 Not Found", "nothing is served at \(HTTPHead.excerpt(String(parts[1])))")
        }
        if let refusal = terms.refusal(ofOriginsOf: request) { throw refusal }
        return key
    }

    /// Whether a target names the path, whatever either of them percent-encodes. `%2F` is a slash, as in `/http-path`.
    private static func matches(_ target: Substring, _ path: String) -> Bool {
        PercentEncoding.bytes(of: target.prefix { $0 != "?" }).map { $0 == PercentEncoding.bytes(of: path) } ?? false
    }
}

/// Why a request was not accepted.
struct WebSocketRefusal: Error {
    private let status: String
    private let reason: String
    private let field: String
    private let connection: String

    init(_ status: String, _ reason: String, field: String = "", closes connection: String = "close") {
        self.status = status
        self.reason = reason
        self.field = field
        self.connection = connection
    }

    static func badRequest(_ reason: String) -> WebSocketRefusal { WebSocketRefusal("400 Bad Request", reason) }

    var answer: WebSocketAnswer {
        let text = "\(self.status): \(self.reason)\n"
        return .refuse(
            ByteBuffer(
                string: "HTTP/1.1 \(self.status)\r\n\(self.field)Connection: \(self.connection)\r\n"
                    + "Content-Type: text/plain\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"),
            WebSocketError(.refused, "refused a request with \(self.status): \(self.reason)"))
    }
}
