import Foundation

/// How far a replication is, kept on both sides: where they agree, it goes on (CouchDB replication protocol, "Retrieve Replication Logs").
struct Checkpoints: Sendable {
    /// Sessions that are remembered.
    private static let longestHistory = 50

    let source: any Replica
    let target: any Replica
    let database: String
    /// Tells this replication from others of the same databases.
    let id: String
    /// Tells this run from others of the same replication.
    let session = UUID().uuidString

    init(from source: any Replica, to target: any Replica, _ database: String) {
        self.source = source
        self.target = target
        self.database = database
        self.id = Checksum.of("\(source.name) \(target.name) \(database)".utf8)
    }

    private var path: String { "/\(self.database.escaped)/_local/\(self.id)" }

    /// The last change of the source that the target is known to have.
    func common() async throws -> JSON {
        guard let one = try await self.read(self.source), let other = try await self.read(self.target) else { return 0 }
        if let session = one["session_id"], session == other["session_id"] { return one["source_last_seq"] ?? 0 }
        let known = Set((other["history"]?.list ?? []).compactMap { $0["session_id"]?.text })
        for entry in one["history"]?.list ?? [] {
            if let session = entry["session_id"]?.text, known.contains(session) { return entry["recorded_seq"] ?? 0 }
        }
        return 0
    }

    /// Keeps how far it is, at the target first: the source is never ahead of what is there.
    func keep(_ sequence: JSON, _ counts: Replication.Counts) async throws {
        let entry: JSON = [
            "session_id": .text(self.session), "recorded_seq": sequence, "end_last_seq": sequence,
            "docs_read": .integer(counts.read), "docs_written": .integer(counts.written), "doc_write_failures": .integer(counts.failed),
        ]
        for replica in [self.target, self.source] {
            let old = try await self.read(replica)
            let history = (old?["history"]?.list ?? []).filter { $0["session_id"] != .text(self.session) }
            var document: [ExactText: JSON] = [
                "session_id": .text(self.session), "source_last_seq": sequence, "replication_id_version": 4,
                "history": .list(Array(([entry] + history).prefix(Self.longestHistory))),
            ]
            document["_rev"] = old?["_rev"]
            _ = try await replica.ask("PUT", self.path, .object(document))
        }
    }

    private func read(_ replica: any Replica) async throws -> JSON? {
        do { return try await replica.ask("GET", self.path, nil) } catch let refusal as Refusal where refusal.status == 404 { return nil }
    }
}
