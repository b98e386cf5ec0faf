import P2PHTTPHead

/// Where a body ends (RFC 9112, section 6). What might be read in two ways is no message here.
enum HTTPFraming: Sendable, Hashable {
    case none
    case length(UInt64)
    case chunked
    /// The stream's end is the body's; of responses alone.
    case untilEnd

    /// Of a request.
    init(request head: HTTPHead, isOldVersion: Bool) throws(HTTPRefusal) {
        self = try Self.stated(head, isOldVersion: isOldVersion) ?? .none
    }

    /// Of a response.
    ///
    /// - Parameter isBodiless: what was asked for has no body, whatever its fields say (HEAD).
    init(response head: HTTPHead, status: Int, isBodiless: Bool) throws(HTTPRefusal) {
        let stated = try Self.stated(head, isOldVersion: head.startLine.hasPrefix("HTTP/1.0"))
        self = isBodiless || status < 200 || status == 204 || status == 304 ? .none : stated ?? .untilEnd
    }

    private static func stated(_ head: HTTPHead, isOldVersion: Bool) throws(HTTPRefusal) -> HTTPFraming? {
        let codings = head.values("transfer-encoding")
        let lengths = head.values("content-length")
        if !codings.isEmpty {
            guard lengths.isEmpty else { throw HTTPRefusal("a message has both Transfer-Encoding and Content-Length") }
            guard !isOldVersion else { throw HTTPRefusal("HTTP/1.0 has no Transfer-Encoding") }
            guard codings.count == 1, codings[0].lowercased() == "chunked" else {
                throw HTTPRefusal(501, "the only Transfer-Encoding is chunked")
            }
            return .chunked
        }
        guard let first = lengths.first else { return nil }
        guard lengths.allSatisfy({ $0 == first }) else { throw HTTPRefusal("a message has two lengths") }
        guard (1...18).contains(first.utf8.count), let length = HTTPHead.number(first) else {
            throw HTTPRefusal("Content-Length is no number")
        }
        return .length(UInt64(length))
    }
}
