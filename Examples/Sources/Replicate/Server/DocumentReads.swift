/// One document, or many by name.
struct DocumentReads: Sendable {
    private let database: Database

    init(_ database: Database) { self.database = database }

    /// `GET /db/doc`.
    func one(_ id: String, _ question: Question) async throws -> Reply {
        let document = await self.database.document(id)
        if question.query["open_revs"] == "all" {
            guard let document else { throw Refusal.notFound() }
            return try self.revisions(document.tree.ranked, of: document, question)
        }
        if let asked = try question.json("open_revs") { return try self.revisions(try Self.revisions(asked), of: document, question) }
        guard let document, let winner = document.tree.winner else { throw Refusal.notFound() }
        let wanted = try question.revision()
        if wanted == nil, document.tree.isDeleted(winner) { throw Refusal.notFound("deleted") }
        let extras = Document.Extras(
            hasHistory: question.flag("revs"), hasConflicts: question.flag("conflicts"), hasRevisionsInfo: question.flag("revs_info"))
        let revision = wanted ?? winner
        guard let json = document.json(revision, extras) else { throw Refusal.notFound() }
        return Reply(json, tag: "\(revision)")
    }

    /// `open_revs`: revisions as they are, which are all leaves, or those that are named.
    private func revisions(_ revisions: [Revision], of document: Document?, _ question: Question) throws -> Reply {
        var (answers, allowance) = ([JSON](), CouchServer.Allowance())
        for revision in self.latest(revisions, of: document, question) {
            let json = document?.json(revision, Document.Extras(hasHistory: question.flag("revs")))
            try allowance.take(json)
            answers.append(json.map { ["ok": $0] } ?? ["missing": .text("\(revision)")])
        }
        return question.accept.contains("multipart/mixed") ? Reply(.parts(answers)) : Reply(.list(answers))
    }

    /// The revisions, or with `latest` what was made of them: each once, however many of its ancestors are named.
    private func latest(_ revisions: [Revision], of document: Document?, _ question: Question) -> [Revision] {
        guard question.flag("latest"), let tree = document?.tree else { return revisions }
        return tree.leaves(after: Set(revisions)).sorted(by: >) + revisions.filter { tree.nodes[$0] == nil }
    }

    /// `POST /db/_bulk_get`: revisions of many documents.
    func bulk(_ question: Question) async throws -> Reply {
        var results: [JSON] = []
        var allowance = CouchServer.Allowance()
        for asked in try Self.list(question, "docs") {
            guard let id = asked["id"]?.text else { throw Refusal.badRequest("docs have an id") }
            let document = await self.database.document(id)
            let revisions = try asked["rev"].map { try Self.revisions([$0]) } ?? document?.tree.ranked ?? []
            var answers: [JSON] = []
            for revision in self.latest(revisions, of: document, question) {
                let json = document?.json(revision, Document.Extras(hasHistory: question.flag("revs")))
                try allowance.take(json)
                let missing: JSON = ["error": ["id": .text(id), "rev": .text("\(revision)"), "error": "not_found", "reason": "missing"]]
                answers.append(json.map { ["ok": $0] } ?? missing)
            }
            let missing: JSON = ["error": ["id": .text(id), "rev": "undefined", "error": "not_found", "reason": "missing"]]
            results.append(["id": .text(id), "docs": .list(answers.isEmpty ? [missing] : answers)])
        }
        return Reply(["results": .list(results)])
    }

    /// `POST /db/_revs_diff`: what of it is not known here.
    func missing(_ question: Question) async throws -> Reply {
        let asked = try question.object()
        guard asked.count <= CouchServer.mostDocuments else { throw Refusal.tooLarge("too many documents at a time") }
        var answer: [ExactText: JSON] = [:]
        for (id, revisions) in asked {
            let (missing, ancestors) = await self.database.missing(of: id.text, try Self.revisions(revisions))
            guard !missing.isEmpty else { continue }
            var found: [ExactText: JSON] = ["missing": .list(missing.map { .text("\($0)") })]
            if !ancestors.isEmpty { found["possible_ancestors"] = .list(ancestors.map { .text("\($0)") }) }
            answer[id] = .object(found)
        }
        return Reply(.object(answer))
    }

    static func list(_ question: Question, _ name: String) throws(Refusal) -> [JSON] {
        guard let list = try question.object()[ExactText(name)]?.list else { throw .badRequest("\(name) is no list") }
        guard list.count <= CouchServer.mostDocuments else { throw .tooLarge("at most \(CouchServer.mostDocuments) documents at a time") }
        return list
    }

    private static func revisions(_ json: JSON) throws(Refusal) -> [Revision] {
        guard let list = json.list, list.count <= RevisionTree.longestHistory else { throw .badRequest("that is no list of revisions") }
        var revisions: [Revision] = []
        for one in list {
            guard let revision = one.text.flatMap({ Revision($0) }) else { throw .badRequest("Invalid rev format") }
            if !revisions.contains(revision) { revisions.append(revision) }
        }
        return revisions
    }
}
