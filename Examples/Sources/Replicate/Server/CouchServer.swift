/// Answers as CouchDB does, of what replication and a client library need of it.
struct CouchServer: Sendable {
    /// Documents of one batch, and revisions of one question.
    static let mostDocuments = 10_000
    /// Bytes, about, of the documents that one answer holds; feeds that wait send one after the other, and hold none.
    static let longestAnswer = 48 * 1_024 * 1_024

    let store: Store

    /// Answers a question.
    func answer(_ question: Question) async throws -> Reply {
        let path = question.path
        switch (path.count, question.method) {
        case (0, "GET"), (0, "HEAD"):
            return Reply(["couchdb": "Welcome", "version": "3.3.0", "vendor": ["name": "swift-p2p, an example"]])
        case (1, "GET") where path[0] == "_all_dbs":
            return Reply(.json(.list(await self.store.names.map { .text($0) })))
        case (1, "GET") where path[0] == "_up": return Reply(["status": "ok"])
        case (1, "PUT"):
            try await self.store.create(path[0])
            return Reply(["ok": true], status: 201)
        case (1, "DELETE"):
            try await self.store.delete(path[0])
            return Reply(["ok": true])
        case (1..., _): return try await self.answer(question, in: try await self.store.database(path[0]))
        default: throw Self.methodNotAllowed
        }
    }

    /// Counts the documents of an answer as they are put into it; whoever asks for one a thousand times is not given it a thousand times.
    struct Allowance {
        private var left = CouchServer.longestAnswer

        mutating func take(_ document: JSON?) throws(Refusal) {
            self.left -= document?.size ?? 0
            guard self.left >= 0 else { throw .tooLarge("that is more than one answer holds") }
        }
    }

    static let methodNotAllowed = Refusal(status: 405, error: "method_not_allowed", reason: "not here")

    private func answer(_ question: Question, in database: Database) async throws -> Reply {
        guard question.path.count > 1 else { return try await self.answerAll(question, in: database) }
        switch (question.path[1], question.method) {
        case ("_all_docs", "GET"), ("_all_docs", "POST"): return try await AllDocuments(database).answer(question)
        case ("_changes", "GET"), ("_changes", "POST"): return try await ChangesFeed(database).answer(question)
        case ("_bulk_docs", "POST"): return try await DocumentWrites(database).bulk(question)
        case ("_bulk_get", "POST"): return try await DocumentReads(database).bulk(question)
        case ("_revs_diff", "POST"): return try await DocumentReads(database).missing(question)
        case ("_ensure_full_commit", "POST"): return Reply(["ok": true, "instance_start_time": "0"], status: 201)
        case ("_local", _) where question.path.count > 2:
            return try await LocalDocuments(database).answer(question, question.path[2...].joined(separator: "/"))
        case (let name, _) where name.hasPrefix("_") && name != "_design": throw Refusal.notFound("\(name) is not done here")
        default: break
        }
        let id = try Document.id(question.path[1...].joined(separator: "/"))
        switch question.method {
        case "GET", "HEAD": return try await DocumentReads(database).one(id, question)
        case "PUT": return try await DocumentWrites(database).put(id, question)
        case "DELETE": return try await DocumentWrites(database).delete(id, question)
        case "COPY": return try await DocumentWrites(database).copy(id, question)
        default: throw Self.methodNotAllowed
        }
    }

    /// What is said of a database.
    private func answerAll(_ question: Question, in database: Database) async throws -> Reply {
        switch question.method {
        case "GET", "HEAD":
            return Reply([
                "db_name": .text(database.name), "doc_count": .integer(await database.documentCount),
                "doc_del_count": .integer(await database.deletedCount), "update_seq": .integer(await database.sequence),
                "sizes": ["active": .integer(await database.bytes)], "instance_start_time": "0", "compact_running": false,
                "uuid": .text(await database.birth),
            ])
        case "POST": return try await DocumentWrites(database).post(question)
        default: throw Self.methodNotAllowed
        }
    }
}
