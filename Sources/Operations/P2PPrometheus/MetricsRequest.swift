import P2PHTTPHead

/// What becomes of a request, as a value.
enum MetricsAnswer: Equatable {
    /// The page, or of it only the head.
    case page(withBody: Bool)
    case refusal(status: Int, reason: String, text: String)

    static let badRequest = refusal(status: 400, reason: "Bad Request", text: "this is no request that is understood here")
    static let tooMany = refusal(status: 503, reason: "Service Unavailable", text: "others are asking already")

    /// The answer to a request.
    ///
    /// A page in a browser can ask any name that its owner has lead to this machine, but it can't say another host than that name. So a host that is an
    /// IP address, or this machine's own name for itself, is no such page.
    ///
    /// - Parameter names: names by which the endpoint may be called besides, in lower case.
    static func to(_ head: HTTPHead, names: Set<String>) -> MetricsAnswer {
        let parts = head.startLine.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2] == "HTTP/1.1" || parts[2] == "HTTP/1.0" else { return self.badRequest }
        guard parts[2] == "HTTP/1.0" && head.values("host").isEmpty || head.values("host").count == 1 else { return self.badRequest }
        if let host = head.single("host"), !self.isOurs(host, names: names) {
            return .refusal(status: 403, reason: "Forbidden", text: "this endpoint does not go by that name")
        }
        guard parts[1].split(separator: "?", omittingEmptySubsequences: false).first == "/metrics" else {
            return .refusal(status: 404, reason: "Not Found", text: "there is nothing here but /metrics")
        }
        switch parts[0] {
        case "GET": return .page(withBody: true)
        case "HEAD": return .page(withBody: false)
        default: return .refusal(status: 405, reason: "Method Not Allowed", text: "ask with GET")
        }
    }

    private static func isOurs(_ host: String, names: Set<String>) -> Bool {
        var name = Substring(host)
        if name.hasPrefix("[") {
            guard let end = name.firstIndex(of: "]") else { return false }
            guard self.isPort(name[name.index(after: end)...]) else { return false }
            return name[..<end].dropFirst().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." } && name[..<end].contains(":")
        }
        if let colon = name.firstIndex(of: ":") {
            guard self.isPort(name[colon...]) else { return false }
            name = name[..<colon]
        }
        return name.lowercased() == "localhost" || names.contains(name.lowercased()) || self.isIPv4(name)
    }

    /// Nothing, or a colon and a number.
    private static func isPort(_ text: Substring) -> Bool {
        text.isEmpty || text.first == ":" && text.count <= 6 && text.dropFirst().utf8.allSatisfy { (48...57).contains($0) }
    }

    /// Four decimal numbers; browsers take other spellings for names or for these.
    private static func isIPv4(_ text: Substring) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { part in part.utf8.allSatisfy { (48...57).contains($0) } && UInt8(part) != nil }
    }
}
