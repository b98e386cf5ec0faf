import HTTPTypes
import P2PHTTPHead

/// A request's head, read strictly.
struct HTTPRequestHead: Sendable {
    let request: HTTPRequest
    let framing: HTTPFraming
    /// What hop-by-hop fields the sender names.
    let connectionOptions: Set<String>

    init(_ head: HTTPHead) throws(HTTPRefusal) {
        let parts = head.startLine.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw HTTPRefusal("the request line is none") }
        guard parts[2] == "HTTP/1.1" || parts[2] == "HTTP/1.0" else { throw HTTPRefusal(505, "only HTTP/1.1 is spoken here") }
        guard let method = HTTPRequest.Method(String(parts[0])) else { throw HTTPRefusal("the method is none") }
        let target = parts[1]
        guard target.hasPrefix("/") || (target == "*" && method == .options), target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw HTTPRefusal("the target of a request begins with a slash")
        }
        let hosts = head.values("host")
        guard hosts.count <= 1 else { throw HTTPRefusal("a request has two hosts") }
        self.framing = try HTTPFraming(request: head, isOldVersion: parts[2] == "HTTP/1.0")
        self.request = HTTPRequest(
            method: method, scheme: nil, authority: hosts.first, path: String(target), headerFields: head.httpFields(without: ["host"]))
        self.connectionOptions = head.connectionOptions
    }
}

/// A response's head, read strictly.
struct HTTPResponseHead: Sendable {
    let response: HTTPResponse
    let framing: HTTPFraming
    let connectionOptions: Set<String>

    init(_ head: HTTPHead, to method: HTTPRequest.Method) throws(HTTPRefusal) {
        guard let status = head.status else { throw HTTPRefusal("the status line is none") }
        let reason = head.startLine.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).dropFirst(2).first ?? ""
        self.response = HTTPResponse(
            status: .init(code: Int(status), reasonPhrase: String(reason)), headerFields: head.httpFields(without: []))
        self.framing = try HTTPFraming(response: head, status: Int(status), isBodiless: method == .head)
        self.connectionOptions = head.connectionOptions
    }
}

extension HTTPHead {
    func httpFields(without left: Set<String>) -> HTTPFields {
        var fields = HTTPFields()
        for field in self.fields where !left.contains(field.name) {
            if let name = HTTPField.Name(field.name) { fields.append(HTTPField(name: name, value: field.value)) }
        }
        return fields
    }

    var connectionOptions: Set<String> {
        Set(
            self.values("connection").flatMap { $0.split(separator: ",") }.map {
                String($0.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed()).lowercased()
            })
    }
}
