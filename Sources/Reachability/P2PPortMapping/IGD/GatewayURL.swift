import P2PHTTPHead
import P2PMultiaddr

/// A URL as a gateway may name one: plain HTTP, at an IP address that is written out.
struct GatewayURL: Hashable, CustomStringConvertible {
    let host: IPAddress
    let port: UInt16
    /// Path and query; begins with a slash.
    let path: String

    /// - Throws: for another scheme, a name, credentials, and what is no URL.
    init(_ text: String) throws(GatewayError) {
        guard text.utf8.count <= MappingLimits.urlLength, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw GatewayError("it names a URL that is too long or holds characters that no URL has")
        }
        guard text.lowercased().hasPrefix("http://") else { throw GatewayError("it names a URL that is not http://") }
        let rest = text.dropFirst(7)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        // An address of IPv6 stands in brackets.
        let end =
            authority.hasPrefix("[") ? authority.firstIndex(of: "]").map { authority.index(after: $0) } : authority.firstIndex(of: ":")
        let name = authority[..<(end ?? authority.endIndex)]
        let isIPv4 = !name.hasPrefix("[")
        guard isIPv4 || name.hasSuffix("]"), let host = IPAddress(String(isIPv4 ? name : name.dropFirst().dropLast())),
            host.isIPv4 == isIPv4
        else {
            throw GatewayError("it names a URL whose host is no IP address")
        }
        var port: UInt16 = 80
        let rear = authority.dropFirst(name.count)
        if !rear.isEmpty {
            guard rear.hasPrefix(":"), let number = HTTPHead.number(rear.dropFirst()).flatMap(UInt16.init(exactly:)), number > 0 else {
                throw GatewayError("it names a URL without a proper port")
            }
            port = number
        }
        let path = rest.dropFirst(authority.count).prefix { $0 != "#" }
        self.init(host: host, port: port, path: path.hasPrefix("/") ? String(path) : "/" + path)
    }

    private init(host: IPAddress, port: UInt16, path: String) {
        self.host = host
        self.port = port
        self.path = path
    }

    /// What a reference means that stands in a document at this URL: a URL, a path, or a path below this one's folder.
    func resolving(_ reference: String) throws(GatewayError) -> GatewayURL {
        if reference.contains("://") || reference.hasPrefix("//") { return try GatewayURL(reference) }
        let folder = self.path.prefix { $0 != "?" }.lastIndex(of: "/").map { self.path[...$0] } ?? "/"
        let path = reference.hasPrefix("/") ? reference : folder + reference
        // Read again, for the limits.
        return try GatewayURL("http://\(self.authority)\(path)")
    }

    /// Host and port, as they stand in a URL and in the head of a request.
    var authority: String { self.host.isIPv4 ? "\(self.host):\(self.port)" : "[\(self.host)]:\(self.port)" }

    var description: String { "http://\(self.authority)\(self.path)" }
}
