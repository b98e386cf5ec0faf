import P2PHTTPHead
import P2PMultiaddr

/// A URL as a gateway may name one: plain HTTP, at an IPv4 address that is written out.
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
        let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let host = IPAddress(String(first)), host.isIPv4 else {
            throw GatewayError("it names a URL whose host is no IPv4 address")
        }
        var port: UInt16 = 80
        if parts.count == 2 {
            guard let number = HTTPHead.number(parts[1]).flatMap(UInt16.init(exactly:)), number > 0 else {
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
        return try GatewayURL("http://\(self.host):\(self.port)\(path)")
    }

    var description: String { "http://\(self.host):\(self.port)\(self.path)" }
}
