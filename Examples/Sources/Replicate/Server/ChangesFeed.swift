/// `_changes`: what has changed since, at once, when there is something (`longpoll`), or for as long as somebody listens (`continuous`).
struct ChangesFeed: Sendable {
    /// Changes that are looked up at a time.
    private static let batch = 1_000
    /// How often somebody who waits is told that nothing has happened, so that neither side takes the other for gone.
    static let heartbeat = Duration.seconds(20)
    /// How long one who does not say so waits.
    private static let patience = Duration.seconds(60)

    private let database: Database

    init(_ database: Database) { self.database = database }

    private struct Wishes: Sendable {
        var since: Int
        var limit: Int
        var showsLeaves: Bool
        var isWhole: Bool
        var extras: Document.Extras
        var heartbeat: Duration
        var end: ContinuousClock.Instant?
    }

    func answer(_ question: Question) async throws -> Reply {
        let wishes = try await self.wishes(question)
        switch question.query["feed"] ?? "normal" {
        case "normal":
            // Before the changes: what is written meanwhile comes next time.
            let newest = await self.database.sequence
            let changes = await self.database.changes(since: wishes.since, limit: wishes.limit)
            let last = changes.last?.document.sequence ?? newest
            var (results, allowance) = ([JSON](), CouchServer.Allowance())
            for change in changes {
                let row = Self.row(change, wishes)
                try allowance.take(row["doc"])
                results.append(row)
            }
            return Reply(["results": .list(results), "last_seq": .integer(max(last, wishes.since)), "pending": 0])
        case "longpoll": return Reply(.feed { write in try await self.longPoll(wishes, write) })
        case "continuous": return Reply(.feed { write in try await self.follow(wishes, write) })
        default: throw Refusal.badRequest("the feeds are normal, longpoll and continuous")
        }
    }

    private func wishes(_ question: Question) async throws -> Wishes {
        var since = 0
        if let text = question.query["since"] ?? question.query["last-event-id"] {
            guard let number = text == "now" ? await self.database.sequence : Int(text), number >= 0 else {
                throw Refusal.badRequest("since is no sequence of this database")
            }
            since = number
        }
        var heartbeat = Self.heartbeat
        if let text = question.query["heartbeat"], text != "true", let number = try? question.number("heartbeat") {
            heartbeat = min(max(.milliseconds(min(number, 60_000)), .milliseconds(500)), Self.heartbeat)
        }
        // Who is sent heartbeats waits for as long as he likes.
        var patience = question.query["heartbeat"] == nil ? Self.patience : nil
        if let number = try question.number("timeout") { patience = .milliseconds(min(number, 60_000)) }
        return Wishes(
            since: since, limit: max(1, try question.number("limit") ?? .max), showsLeaves: question.query["style"] == "all_docs",
            isWhole: question.flag("include_docs"), extras: Document.Extras(hasConflicts: question.flag("conflicts")), heartbeat: heartbeat,
            end: patience.map { .now.advanced(by: $0) })
    }

    private static func row(_ change: Database.Change, _ wishes: Wishes) -> JSON {
        let revisions = wishes.showsLeaves ? change.document.tree.ranked : [change.winner]
        var row: [ExactText: JSON] = [
            "seq": .integer(change.document.sequence), "id": .text(change.document.id),
            "changes": .list(revisions.map { ["rev": .text("\($0)")] }),
        ]
        if change.document.tree.isDeleted(change.winner) { row["deleted"] = true }
        if wishes.isWhole { row["doc"] = change.document.json(change.winner, wishes.extras) ?? .null }
        return .object(row)
    }

    private func longPoll(_ wishes: Wishes, _ write: (String) async throws -> Void) async throws {
        try await write("{\"results\":[\n")
        try await self.waitForChanges(after: wishes.since, wishes, write)
        let changes = await self.database.changes(since: wishes.since, limit: min(wishes.limit, Self.batch))
        for (index, change) in changes.enumerated() {
            try await write((index > 0 ? ",\n" : "") + String(decoding: Self.row(change, wishes).bytes, as: UTF8.self))
        }
        try await write("\n],\"last_seq\":\(changes.last?.document.sequence ?? wishes.since),\"pending\":0}\n")
    }

    private func follow(_ wishes: Wishes, _ write: (String) async throws -> Void) async throws {
        var (since, left) = (wishes.since, wishes.limit)
        while left > 0, !self.isOver(wishes) {
            let changes = await self.database.changes(since: since, limit: min(left, Self.batch))
            for change in changes { try await write(String(decoding: Self.row(change, wishes).bytes, as: UTF8.self) + "\n") }
            left -= changes.count
            since = changes.last?.document.sequence ?? since
            guard changes.isEmpty else { continue }
            guard await !self.database.isGone else { break }
            try await self.waitForChanges(after: since, wishes, write)
        }
        try await write("{\"last_seq\":\(since),\"pending\":0}\n")
    }

    /// Waits, with a newline now and then, which means nothing.
    private func waitForChanges(after since: Int, _ wishes: Wishes, _ write: (String) async throws -> Void) async throws {
        while await self.database.sequence <= since, !self.isOver(wishes) {
            let left = wishes.end.map { ContinuousClock.now.duration(to: $0) } ?? wishes.heartbeat
            try await self.database.change(after: since, within: min(wishes.heartbeat, left))
            try Task.checkCancellation()
            guard await !self.database.isGone else { return }
            if await self.database.sequence <= since { try await write("\n") }
        }
    }

    private func isOver(_ wishes: Wishes) -> Bool { wishes.end.map { $0 <= .now } ?? false }
}
