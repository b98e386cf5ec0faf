/// Copies what one side has and the other has not, one way, for as long as it runs (CouchDB replication protocol).
///
/// The edits themselves travel, with their history, so that nothing depends on who copies what when: in the end both sides have the same
/// trees of revisions, and see the same winners and the same conflicts.
struct Replication: Sendable {
    /// Changes that are looked at together.
    private static let batch = 200
    /// Documents that are fetched and written together; one has at most a mebibyte.
    private static let documents = 50
    /// Bytes, about, of what is written together.
    private static let longestWrite = 4 * 1_024 * 1_024
    /// Bytes of a sequence that is a text.
    static let longestSequence = 4_096

    /// What it has done.
    struct Counts: Sendable {
        var read = 0
        var written = 0
        /// Those that the target did not take.
        var failed = 0
    }

    let source: any Replica
    let target: any Replica
    let database: String
    /// Told after each batch.
    let progress: @Sendable (Counts) -> Void

    private var path: String { "/\(self.database.escaped)" }

    /// Runs until the task is cancelled or a side fails.
    func run() async throws {
        for replica in [self.source, self.target] { try await self.prepare(replica) }
        let checkpoints = Checkpoints(from: self.source, to: self.target, self.database)
        var since = try await self.beginning(checkpoints)
        var (counts, kept) = (Counts(), since)
        while true {
            try Task.checkCancellation()
            let query = "feed=longpoll&style=all_docs&heartbeat=10000&limit=\(Self.batch)&since=\((since.sequence ?? "0").escaped)"
            let answer = try await self.source.ask("GET", "\(self.path)/_changes?\(query)", nil)
            guard let changes = answer["results"]?.list, let last = answer["last_seq"], last.sequence != nil, changes.count <= Self.batch
            else {
                throw Refusal.badRequest("the list of changes is none")
            }
            since = last
            guard since != kept else { continue }
            let before = counts.written
            try await self.copy(try await self.missing(of: changes), &counts)
            if counts.written > before { _ = try await self.target.ask("POST", "\(self.path)/_ensure_full_commit", .object([:])) }
            try await checkpoints.keep(since, counts)
            kept = since
            self.progress(counts)
        }
    }

    /// Makes the database where there is none.
    private func prepare(_ replica: any Replica) async throws {
        do {
            _ = try await replica.ask("GET", self.path, nil)
        } catch let refusal as Refusal where refusal.status == 404 {
            do { _ = try await replica.ask("PUT", self.path, nil) } catch let refusal as Refusal where refusal.status == 412 {}
        }
    }

    /// Where to go on. A database that was deleted and made anew counts from the beginning, and has no checkpoint; one that was brought back
    /// from a copy may have one of its future.
    private func beginning(_ checkpoints: Checkpoints) async throws -> JSON {
        let checkpoint = try await checkpoints.common()
        // A sequence of CouchDB 2 and later is a text, and whether it is one of its own it sees itself.
        guard let newest = try await self.source.ask("GET", self.path, nil)["update_seq"]?.integer else { return checkpoint }
        return checkpoint.integer.map { $0 <= newest } == true ? checkpoint : 0
    }

    /// What of the changes the target has not.
    private func missing(of changes: [JSON]) async throws -> [(id: String, revisions: [JSON])] {
        var asked: [ExactText: JSON] = [:]
        for change in changes {
            guard let id = change["id"]?.text, let revisions = change["changes"]?.list?.compactMap({ $0["rev"] }), !revisions.isEmpty else {
                throw Refusal.badRequest("a change is none")
            }
            asked[ExactText(id)] = .list(revisions)
        }
        guard !asked.isEmpty else { return [] }
        let answer = try await self.target.ask("POST", "\(self.path)/_revs_diff", .object(asked))
        return (answer.object ?? [:]).sorted { $0.key < $1.key }.compactMap { id, found in
            guard asked[id] != nil, let revisions = found["missing"]?.list, !revisions.isEmpty else { return nil }
            return (id.text, revisions)
        }
    }

    /// Fetches and writes, a few documents at a time.
    private func copy(_ missing: [(id: String, revisions: [JSON])], _ counts: inout Counts) async throws {
        for first in stride(from: 0, to: missing.count, by: Self.documents) {
            var (batch, size) = ([JSON](), 0)
            for document in try await self.fetch(missing[first..<min(first + Self.documents, missing.count)]) {
                counts.read += 1
                batch.append(document)
                size += document.bytes.count
                guard size > Self.longestWrite else { continue }
                try await self.write(batch, &counts)
                (batch, size) = ([], 0)
            }
            try await self.write(batch, &counts)
        }
    }

    /// Missing revisions with their histories. What is not there any more was followed by something, which is a change, too.
    private func fetch(_ missing: ArraySlice<(id: String, revisions: [JSON])>) async throws -> [JSON] {
        let asked = missing.flatMap { document in document.revisions.map { ["id": .text(document.id), "rev": $0] as JSON } }
        do {
            let answer = try await self.source.ask("POST", "\(self.path)/_bulk_get?revs=true&latest=true", ["docs": .list(asked)])
            return (answer["results"]?.list ?? []).flatMap { ($0["docs"]?.list ?? []).compactMap { $0["ok"] } }
        } catch let refusal as Refusal where [400, 404, 405, 413, 501].contains(refusal.status) {
            // CouchDB 1 knows no such question, and what is too much at once is fetched one by one.
            var documents: [JSON] = []
            for (id, revisions) in missing {
                for revision in revisions { documents += try await self.fetch(id, [revision]) }
            }
            return documents
        }
    }

    private func fetch(_ id: String, _ revisions: [JSON]) async throws -> [JSON] {
        let asked = String(decoding: JSON.list(revisions).bytes, as: UTF8.self)
        let name = id.hasPrefix("_design/") ? "_design/" + String(id.dropFirst(8)).escaped : id.escaped
        do {
            let answers = try await self.source.ask("GET", "\(self.path)/\(name)?revs=true&latest=true&open_revs=\(asked.escaped)", nil)
            return (answers.list ?? []).compactMap { $0["ok"] }
        } catch let refusal as Refusal where refusal.status == 404 {
            return []
        }
    }

    private func write(_ documents: [JSON], _ counts: inout Counts) async throws {
        guard !documents.isEmpty else { return }
        let body: JSON = ["docs": .list(documents), "new_edits": false]
        let refused = try await self.target.ask("POST", "\(self.path)/_bulk_docs", body).list ?? []
        let failed = min(refused.count, documents.count)
        counts.failed += failed
        counts.written += documents.count - failed
    }
}

extension JSON {
    /// As `since` takes it; nil for what is no sequence. It is a number here and with CouchDB 1, and a text with later ones.
    var sequence: String? {
        switch self {
        case .integer(let number): "\(number)"
        case .text(let text) where (1...Replication.longestSequence).contains(text.utf8.count): text
        default: nil
        }
    }
}
