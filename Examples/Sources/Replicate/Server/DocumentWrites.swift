import Foundation

/// Edits, and documents that were edited elsewhere.
struct DocumentWrites: Sendable {
    private let database: Database

    init(_ database: Database) { self.database = database }

    /// `PUT /db/doc`.
    func put(_ id: String, _ question: Question) async throws -> Reply {
        var document = try question.object()
        if let other = document["_id"]?.text, ExactText(other) != ExactText(id) { throw Refusal.badRequest("Document ID must match") }
        document["_id"] = .text(id)
        if let revision = question.query["rev"] { document["_rev"] = .text(revision) }
        return try await self.one(document, isEdit: question.query["new_edits"] != "false")
    }

    /// `POST /db`, with a name of the database's choice if the document has none.
    func post(_ question: Question) async throws -> Reply {
        var document = try question.object()
        if document["_id"] == nil { document["_id"] = .text(Self.newID()) }
        return try await self.one(document, isEdit: true)
    }

    /// `DELETE /db/doc`.
    func delete(_ id: String, _ question: Question) async throws -> Reply {
        guard let revision = try question.revision() else { throw Refusal.conflict }
        return try await self.one(["_id": .text(id), "_rev": .text("\(revision)"), "_deleted": true], isEdit: true, status: 200)
    }

    /// `COPY /db/doc`.
    func copy(_ id: String, _ question: Question) async throws -> Reply {
        guard let destination = question.destination else { throw Refusal.badRequest("Destination is missing") }
        let target = try Question(method: "PUT", target: "/" + destination, body: nil)
        guard let tree = await self.database.document(id)?.tree, let winner = tree.winner,
            let body = tree.nodes[try question.revision() ?? winner]?.body, !tree.isDeleted(winner)
        else { throw Refusal.notFound() }
        var document = body
        document["_id"] = .text(try Document.id(target.path.joined(separator: "/")))
        if let revision = try target.revision() { document["_rev"] = .text("\(revision)") }
        return try await self.one(document, isEdit: true)
    }

    private func one(_ document: [ExactText: JSON], isEdit: Bool, status: Int = 201) async throws -> Reply {
        let write = try Self.write(document, isEdit: isEdit)
        switch try await self.database.write([write])[0] {
        case .kept(let revision):
            return Reply(["ok": true, "id": .text(write.id), "rev": .text("\(revision)")], status: status, tag: "\(revision)")
        case .known: return Reply(["ok": true, "id": .text(write.id), "rev": document["_rev"] ?? .null], status: status)
        case .refused(let refusal): throw refusal
        }
    }

    /// `POST /db/_bulk_docs`. With `new_edits` false, what is answered is only what was refused.
    func bulk(_ question: Question) async throws -> Reply {
        let documents = try DocumentReads.list(question, "docs")
        let isEdit = question.body?["new_edits"] != .flag(false)
        var (writes, refused, ids) = ([Database.Write](), [Int: Refusal](), [JSON]())
        for (index, document) in documents.enumerated() {
            guard var members = document.object else { throw Refusal.badRequest("Document must be a JSON object") }
            if isEdit, members["_id"] == nil { members["_id"] = .text(Self.newID()) }
            ids.append(members["_id"] ?? .null)
            do throws(Refusal) { writes.append(try Self.write(members, isEdit: isEdit)) } catch { refused[index] = error }
        }
        var outcomes = try await self.database.write(writes).makeIterator()
        var answers: [JSON] = []
        for (index, id) in ids.enumerated() {
            let outcome = refused[index].map { Database.Outcome.refused($0) } ?? outcomes.next()
            switch outcome {
            case .kept(let revision) where isEdit: answers.append(["ok": true, "id": id, "rev": .text("\(revision)")])
            case .refused(let refusal): answers.append(["id": id, "error": .text(refusal.error), "reason": .text(refusal.reason)])
            case .kept, .known, nil: break
            }
        }
        return Reply(.list(answers), status: 201)
    }

    private static func write(_ document: [ExactText: JSON], isEdit: Bool) throws(Refusal) -> Database.Write {
        guard let name = document["_id"]?.text else { throw .badRequest("Document must have an _id") }
        let id = try Document.id(name)
        let content = try Document.content(of: document)
        guard JSON.object(content).bytes.count <= Database.longestDocument else {
            throw .tooLarge("a document has at most \(Database.longestDocument) bytes")
        }
        let origin: Database.Write.Origin
        if isEdit {
            let text = document["_rev"]?.text
            guard text == nil || text.flatMap({ Revision($0) }) != nil else { throw .badRequest("Invalid rev format") }
            origin = .edit(of: text.flatMap { Revision($0) })
        } else {
            origin = .history(try Document.history(of: document))
        }
        return Database.Write(id: id, content: content, isDeleted: document["_deleted"]?.isTrue ?? false, origin: origin)
    }

    private static func newID() -> String { UUID().uuidString.replacing("-", with: "").lowercased() }
}
