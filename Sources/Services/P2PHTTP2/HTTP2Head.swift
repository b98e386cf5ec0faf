import HTTPTypes
import NIOHPACK
import P2PCore
import P2PHTTP

/// Heads of HTTP/2, which are blocks of fields, as those of swift-http-types (RFC 9113, section 8.3). Read strictly.
enum HTTP2Head {
    /// Fields about one connection, which HTTP/2 has not (RFC 9113, section 8.2.2), and the one that `:authority` stands for.
    private static let foreign: Set<String> = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host"]

    // MARK: Reading

    /// - Throws: ``HTTPError`` (`malformed`).
    static func request(_ block: HPACKHeaders) throws(HTTPError) -> HTTPRequest {
        let (pseudo, fields) = try Self.split(block, known: [":method", ":scheme", ":path", ":authority"])
        guard let name = pseudo[":method"], let method = HTTPRequest.Method(name), method != .connect else {
            throw HTTPError(.malformed, "the method is none, or CONNECT")
        }
        guard let path = pseudo[":path"], path.hasPrefix("/") || (path == "*" && method == .options),
            path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { throw HTTPError(.malformed, "the path of a request begins with a slash") }
        let authority = pseudo[":authority"] ?? pseudo["host"]
        return HTTPRequest(method: method, scheme: pseudo[":scheme"], authority: authority, path: path, headerFields: fields)
    }

    /// - Throws: ``HTTPError`` (`malformed`).
    static func response(_ block: HPACKHeaders) throws(HTTPError) -> HTTPResponse {
        let (pseudo, fields) = try Self.split(block, known: [":status"])
        guard let text = pseudo[":status"], text.utf8.count == 3, let code = Int(text), (100...599).contains(code), code != 101 else {
            throw HTTPError(.malformed, "the status of a response is none")
        }
        return HTTPResponse(status: .init(code: code), headerFields: fields)
    }

    /// - Returns: pseudo-fields, and the first `host` under that name; and the other fields, with all cookies in one (RFC 9113, section 8.2.3).
    private static func split(_ block: HPACKHeaders, known: Set<String>) throws(HTTPError) -> ([String: String], HTTPFields) {
        var pseudo: [String: String] = [:]
        var fields = HTTPFields()
        var cookies: [String] = []
        for (name, value, _) in block {
            if name.hasPrefix(":") {
                guard known.contains(name), pseudo[name] == nil, fields.isEmpty, cookies.isEmpty else {
                    throw HTTPError(.malformed, "a head has a pseudo-field that is unknown, late or there twice")
                }
                pseudo[name] = value
            } else {
                guard let field = HTTPField.Name(name), HTTPField.isValidValue(value) else {
                    throw HTTPError(.malformed, "a head has a field that is none")
                }
                guard name == "host" || !Self.foreign.contains(name) else {
                    throw HTTPError(.malformed, "a head has a field that is about a connection of HTTP/1.1")
                }
                switch name {
                case "host":
                    guard pseudo[name] == nil || pseudo[name] == value else { throw HTTPError(.malformed, "a head names two hosts") }
                    pseudo[name] = value
                case "cookie": cookies.append(value)
                default: fields.append(HTTPField(name: field, value: value))
                }
            }
        }
        if !cookies.isEmpty { fields.append(HTTPField(name: .cookie, value: cookies.joined(separator: "; "))) }
        let lengths = Set(fields[values: .contentLength])
        guard lengths.count <= 1,
            lengths.allSatisfy({ (1...18).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { throw HTTPError(.malformed, "a message has two lengths, or one that is no number") }
        return (pseudo, fields)
    }

    // MARK: Writing

    /// - Parameter host: stands for a host that the request does not name.
    static func block(_ request: HTTPRequest, host: String, length: UInt64?) -> HPACKHeaders {
        var block = HPACKHeaders()
        block.add(name: ":method", value: request.method.rawValue)
        block.add(name: ":scheme", value: request.scheme ?? "http")
        block.add(name: ":authority", value: request.authority ?? host)
        block.add(name: ":path", value: request.path ?? "/")
        Self.add(request.headerFields, length, to: &block)
        return block
    }

    static func block(_ response: HTTPResponse, length: UInt64?) -> HPACKHeaders {
        var block = HPACKHeaders()
        block.add(name: ":status", value: "\(response.status.code)")
        Self.add(response.headerFields, length, to: &block)
        return block
    }

    private static func add(_ fields: HTTPFields, _ length: UInt64?, to block: inout HPACKHeaders) {
        for field in fields {
            let name = field.name.canonicalName
            guard !Self.foreign.contains(name), length == nil || name != "content-length" else { continue }
            block.add(name: name, value: field.value, indexing: field.indexingStrategy == .disallow ? .neverIndexed : .indexable)
        }
        if let length { block.add(name: "content-length", value: "\(length)") }
    }
}
