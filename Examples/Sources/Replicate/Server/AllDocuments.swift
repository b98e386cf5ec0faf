/// `_all_docs`: documents by name.
struct AllDocuments: Sendable {
    private let database: Database

    init(_ database: Database) { self.database = database }

    func answer(_ question: Question) async throws -> Reply {
        let isWhole = question.flag("include_docs")
        let extras = Document.Extras(hasConflicts: question.flag("conflicts"))
        let asked = try question.body?["keys"] ?? question.json("keys")
        let total = await self.database.documentCount
        var (rows, allowance) = ([JSON](), CouchServer.Allowance())
        if let asked {
            guard let keys = asked.list, keys.count <= CouchServer.mostDocuments else { throw Refusal.badRequest("keys is no list") }
            for key in keys {
                let row = await self.row(key, isWhole, extras)
                try allowance.take(row["doc"])
                rows.append(row)
            }
            return Reply(["total_rows": .integer(total), "offset": 0, "rows": .list(rows)])
        }
        var documents = await self.database.all
        if question.flag("descending") { documents.reverse() }
        let range = try self.range(question)
        documents = documents.filter { range(ExactText($0.id)) }
        let offset = min(try question.number("skip") ?? 0, documents.count)
        for document in documents.dropFirst(offset).prefix(try question.number("limit") ?? .max) {
            guard let row = self.row(document, isWhole, extras) else { continue }
            try allowance.take(row["doc"])
            rows.append(row)
        }
        return Reply(["total_rows": .integer(total), "offset": .integer(offset), "rows": .list(rows)])
    }

    /// Which names lie between the keys that are asked for.
    private func range(_ question: Question) throws -> (ExactText) -> Bool {
        func key(_ names: String...) throws -> ExactText? {
            for name in names { if let key = try question.json(name) { return key.text.map { ExactText($0) } } }
            return nil
        }
        let (one, first, last) = (try key("key"), try key("startkey", "start_key"), try key("endkey", "end_key"))
        let (low, high) = question.flag("descending") ? (last, first) : (first, last)
        let excludesLast = question.query["inclusive_end"] == "false"
        return { id in
            if let one, id != one { return false }
            if excludesLast, id == last { return false }
            return low.map { $0 <= id } ?? true && high.map { id <= $0 } ?? true
        }
    }

    private func row(_ key: JSON, _ isWhole: Bool, _ extras: Document.Extras) async -> JSON {
        guard let id = key.text, let document = await self.database.document(id), let winner = document.tree.winner else {
            return ["key": key, "error": "not_found"]
        }
        guard document.tree.isDeleted(winner) else { return self.row(document, isWhole, extras) ?? .null }
        var row: [ExactText: JSON] = ["id": key, "key": key, "value": ["rev": .text("\(winner)"), "deleted": true]]
        if isWhole { row["doc"] = .null }
        return .object(row)
    }

    private func row(_ document: Document, _ isWhole: Bool, _ extras: Document.Extras) -> JSON? {
        guard let winner = document.tree.winner else { return nil }
        var row: [ExactText: JSON] = ["id": .text(document.id), "key": .text(document.id), "value": ["rev": .text("\(winner)")]]
        if isWhole { row["doc"] = document.json(winner, extras) ?? .null }
        return .object(row)
    }
}
