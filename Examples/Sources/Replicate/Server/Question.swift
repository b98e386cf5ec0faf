import Foundation

/// A request to the store, taken apart.
struct Question: Sendable {
    let method: String
    /// Between the slashes, decoded: an encoded slash is a part of a name.
    let path: [String]
    let query: [String: String]
    let body: JSON?
    /// What `Accept` says.
    var accept = ""
    /// What `Destination` says, of COPY.
    var destination: String?

    /// Takes a target apart, such as `/notes/a%2Fb?rev=1-c`.
    init(method: String, target: String, body: JSON?) throws(Refusal) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var path: [String] = []
        for part in parts[0].split(separator: "/") { path.append(try Self.decoded(part)) }
        var query: [String: String] = [:]
        for field in parts.count > 1 ? parts[1].split(separator: "&") : [] {
            let pair = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[try Self.decoded(pair[0])] = pair.count > 1 ? try Self.decoded(pair[1].replacing("+", with: " ")) : ""
        }
        self.method = method
        self.path = path
        self.query = query
        self.body = body
    }

    private static func decoded(_ text: some StringProtocol) throws(Refusal) -> String {
        guard let decoded = String(text).removingPercentEncoding else { throw .badRequest("a part of the path is not UTF-8") }
        return decoded
    }

    func flag(_ name: String) -> Bool { self.query[name] == "true" }

    /// A number that is not negative.
    func number(_ name: String) throws(Refusal) -> Int? {
        guard let text = self.query[name] else { return nil }
        guard let number = Int(text), number >= 0 else { throw .badRequest("\(name) is no number") }
        return number
    }

    /// A parameter that is JSON.
    func json(_ name: String) throws(Refusal) -> JSON? {
        guard let text = self.query[name] else { return nil }
        guard let value = try? JSON.parse(Data(text.utf8)) else { throw .badRequest("\(name) is no JSON") }
        return value
    }

    /// A parameter that is a revision.
    func revision(_ name: String = "rev") throws(Refusal) -> Revision? {
        guard let text = self.query[name] else { return nil }
        guard let revision = Revision(text) else { throw .badRequest("Invalid rev format") }
        return revision
    }

    /// The body, which has to be an object.
    func object() throws(Refusal) -> [ExactText: JSON] {
        guard let members = self.body?.object else { throw .badRequest("Request body must be a JSON object") }
        return members
    }
}

/// What the store answers.
struct Reply: Sendable {
    enum Body: Sendable {
        case json(JSON)
        /// Text that is made while it is sent.
        case feed(@Sendable ((String) async throws -> Void) async throws -> Void)
        /// Several documents, each a part (RFC 2046).
        case parts([JSON])
    }

    var status = 200
    var body: Body
    /// The revision that is answered.
    var tag: String?

    init(_ json: JSON, status: Int = 200, tag: String? = nil) {
        self.status = status
        self.body = .json(json)
        self.tag = tag
    }

    init(_ body: Body) { self.body = body }
}
