/// `_local` documents, which go nowhere: replications keep in them how far they are.
struct LocalDocuments: Sendable {
    private let database: Database

    init(_ database: Database) { self.database = database }

    func answer(_ question: Question, _ id: String) async throws -> Reply {
        guard (1...Document.longestID).contains(id.utf8.count) else { throw Refusal.badRequest("that is no name") }
        switch question.method {
        case "GET", "HEAD":
            guard let document = await self.database.local(id) else { throw Refusal.notFound() }
            return Reply(document, tag: document["_rev"]?.text)
        case "PUT":
            let document = try question.object()
            let content = try Document.content(of: document)
            guard JSON.object(content).bytes.count <= Database.longestDocument else { throw Refusal.tooLarge("that is too long") }
            return try await self.set(content, id, replacing: document["_rev"]?.text ?? question.query["rev"], status: 201)
        case "DELETE": return try await self.set(nil, id, replacing: question.query["rev"], status: 200)
        default: throw CouchServer.methodNotAllowed
        }
    }

    private func set(_ content: [ExactText: JSON]?, _ id: String, replacing revision: String?, status: Int) async throws -> Reply {
        let revision = try await self.database.setLocal(id, content, replacing: revision)
        return Reply(["ok": true, "id": .text("_local/\(id)"), "rev": .text(revision)], status: status)
    }
}
