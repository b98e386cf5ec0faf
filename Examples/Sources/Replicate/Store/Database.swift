import Foundation

/// Documents, in memory and in a journal on the disk.
///
/// What it says it has kept is on the disk. Between two awaits nothing else happens to it, so that a batch is kept as a whole.
actor Database {
    /// Bytes of one document's content.
    static let longestDocument = 1_024 * 1_024
    /// Documents that belong to this node alone, such as the checkpoints of replications.
    static let mostLocalDocuments = 1_000
    /// Bytes of those. They have room of their own, so that a replication into a full database still knows how far it is.
    static let mostLocalBytes = 32 * 1_024 * 1_024
    /// Bytes of the journal, beside a few times those of what is in it, before it is written anew.
    private static let journalSlack = 64 * 1_024 * 1_024
    /// Answers that wait for changes.
    static let mostWaiters = 256

    /// What happened to a document of a batch.
    enum Outcome: Sendable {
        case kept(Revision)
        /// It was there before.
        case known
        case refused(Refusal)
    }

    /// A document of a batch.
    struct Write: Sendable {
        let id: String
        let content: [ExactText: JSON]
        let isDeleted: Bool
        let origin: Origin

        enum Origin: Sendable {
            /// An edit of a revision, or of none, here.
            case edit(of: Revision?)
            /// An edit of elsewhere, with its ancestors.
            case history([Revision])
        }
    }

    /// A document that has changed.
    struct Change: Sendable {
        let document: Document
        let winner: Revision
    }

    private struct Local: Sendable {
        var revision: Int
        var content: [ExactText: JSON]

        var size: Int { JSON.object(self.content).size }
    }

    let name: String
    /// Tells databases of one name apart: one that is deleted and made anew has another.
    private(set) var birth: String
    private(set) var sequence = 0
    private var documents: [ExactText: Document] = [:]
    private var locals: [ExactText: Local] = [:]
    /// Sequences and names as they came; those that a later one replaces are passed over.
    private var order: [(sequence: Int, id: String)] = []
    private var journal: Journal
    private var size = 0
    private var localSize = 0
    /// Entries of the journal before which another attempt to write it anew would be in vain, too.
    private var tidyAgain = 0
    /// It was deleted.
    private(set) var isGone = false
    private let capacity: Int
    private var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    private var nextWaiter = 0

    /// Opens a database, or makes it.
    ///
    /// - Parameter capacity: bytes of all documents.
    init(_ name: String, in file: URL, capacity: Int) throws {
        self.name = name
        self.capacity = capacity
        var (documents, locals, sequence, birth) = ([ExactText: Document](), [ExactText: Local](), 0, String?.none)
        self.journal = try Journal(file) { entry in
            if let id = entry["id"]?.text, let number = entry["seq"]?.integer, let tree = entry["tree"].flatMap({ RevisionTree($0) }) {
                documents[ExactText(id)] = Document(id: id, sequence: number, tree: tree, size: entry.bytes.count)
                sequence = max(sequence, number)
            } else if let id = entry["local"]?.text {
                locals[ExactText(id)] = entry["content"]?.object.map { Local(revision: entry["rev"]?.integer ?? 1, content: $0) }
            } else if let text = entry["birth"]?.text {
                birth = text
            }
        }
        self.documents = documents
        self.locals = locals
        self.sequence = sequence
        self.size = documents.values.reduce(0) { $0 + $1.size }
        self.localSize = locals.values.reduce(0) { $0 + $1.size }
        self.order = documents.values.map { ($0.sequence, $0.id) }.sorted { $0.sequence < $1.sequence }
        self.birth = birth ?? UUID().uuidString
        if birth == nil { try self.journal.append([["birth": .text(self.birth)]]) }
    }

    // MARK: Reading

    var documentCount: Int { self.documents.values.count { $0.tree.winner.map($0.tree.isDeleted) == false } }
    var deletedCount: Int { self.documents.count - self.documentCount }
    var bytes: Int { self.size + self.localSize }

    func document(_ id: String) -> Document? { self.documents[ExactText(id)] }

    /// Documents that are not deleted, by name.
    var all: [Document] {
        self.documents.values.filter { $0.tree.winner.map($0.tree.isDeleted) == false }.sorted { ExactText($0.id) < ExactText($1.id) }
    }

    /// What has changed since, in order, each document once.
    func changes(since sequence: Int, limit: Int) -> [Change] {
        var (low, high) = (0, self.order.count)
        while low < high {
            let middle = low + (high - low) / 2
            if self.order[middle].sequence > sequence { high = middle } else { low = middle + 1 }
        }
        var changes: [Change] = []
        for (sequence, id) in self.order[low...] where changes.count < limit {
            guard let document = self.documents[ExactText(id)], document.sequence == sequence, let winner = document.tree.winner else {
                continue
            }
            changes.append(Change(document: document, winner: winner))
        }
        return changes
    }

    /// Of the revisions that are asked for, those that are not known, and known ones that may be their ancestors.
    func missing(of id: String, _ revisions: [Revision]) -> (missing: [Revision], ancestors: [Revision]) {
        guard let tree = self.documents[ExactText(id)]?.tree else { return (revisions, []) }
        let missing = revisions.filter { tree.nodes[$0] == nil }
        let highest = missing.map(\.generation).max() ?? 0
        return (missing, tree.leaves.filter { $0.generation < highest }.sorted())
    }

    /// Waits until something is newer than a sequence, or the time is over, or the database gone.
    ///
    /// - Throws: where too many wait already.
    func change(after sequence: Int, within time: Duration) async throws(Refusal) {
        guard self.sequence <= sequence, !self.isGone, !Task.isCancelled else { return }
        guard self.waiters.count < Self.mostWaiters else { throw .full("\(Self.mostWaiters) wait for changes already") }
        let id = self.nextWaiter
        self.nextWaiter += 1
        let alarm = Task {
            try? await Task.sleep(for: time)
            self.wake(id)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { self.waiters[id] = $0 }
        } onCancel: {
            Task { await self.wake(id) }
        }
        alarm.cancel()
    }

    private func wake(_ id: Int) { self.waiters.removeValue(forKey: id)?.resume() }

    private func wakeAll() {
        let waiters = self.waiters
        self.waiters = [:]
        for waiter in waiters.values { waiter.resume() }
    }

    // MARK: Writing

    /// Keeps a batch: each document that may be kept, and all of those together.
    func write(_ batch: [Write]) throws -> [Outcome] {
        try self.checkOpen()
        var (outcomes, changed, sequence, size) = ([Outcome](), [ExactText: Document](), self.sequence, self.size)
        for write in batch {
            let name = ExactText(write.id)
            do throws(Refusal) {
                var document = changed[name] ?? self.documents[name] ?? Document(id: write.id, sequence: 0, tree: RevisionTree())
                let before = document.size
                guard let revision = try Self.apply(write, to: &document.tree) else {
                    outcomes.append(.known)
                    continue
                }
                document.sequence = sequence + 1
                document.size = document.entry.bytes.count
                guard size - before + document.size <= self.capacity else { throw .full("this database has no room for more") }
                size += document.size - before
                sequence += 1
                changed[name] = document
                outcomes.append(.kept(revision))
            } catch {
                outcomes.append(.refused(error))
            }
        }
        guard !changed.isEmpty else { return outcomes }
        let ordered = changed.values.sorted { $0.sequence < $1.sequence }
        try self.journal.append(ordered.map(\.entry))
        for document in ordered {
            self.documents[ExactText(document.id)] = document
            self.order.append((document.sequence, document.id))
        }
        self.sequence = sequence
        self.size = size
        self.wakeAll()
        self.tidy()
        return outcomes
    }

    private static func apply(_ write: Write, to tree: inout RevisionTree) throws(Refusal) -> Revision? {
        switch write.origin {
        case .edit(let base): return try tree.edit(base, isDeleted: write.isDeleted, body: write.content)
        case .history(let history):
            return try tree.take(history, isDeleted: write.isDeleted, body: write.content) ? history.first : nil
        }
    }

    /// Forgets what is replaced, in memory and on the disk. Where there is no room for that, what is kept is kept all the same.
    private func tidy() {
        if self.order.count > 2 * self.documents.count + 64 {
            self.order.removeAll { self.documents[ExactText($0.id)]?.sequence != $0.sequence }
        }
        let living = self.documents.count + self.locals.count + 1
        let isLong = self.journal.count > 4 * living + 1_000 || self.journal.end > UInt64(4 * self.bytes + Self.journalSlack)
        guard isLong, self.journal.count >= self.tidyAgain else { return }
        let documents = self.documents.values.sorted { $0.sequence < $1.sequence }.map(\.entry)
        let locals = self.locals.map { self.entry($0.key.text, $0.value) }
        do {
            self.journal = try self.journal.replaced(by: [["birth": .text(self.birth)]] + documents + locals)
            self.tidyAgain = 0
        } catch {
            self.tidyAgain = self.journal.count + 1_000
        }
    }

    // MARK: What belongs to this node alone

    func local(_ id: String) -> JSON? {
        self.locals[ExactText(id)].map { local in
            .object(local.content.merging(["_id": .text("_local/\(id)"), "_rev": .text("0-\(local.revision)")]) { $1 })
        }
    }

    /// Keeps one, or removes it where `content` is nil.
    ///
    /// - Parameter revision: of the one that is there.
    /// - Returns: the revision that it has now.
    func setLocal(_ id: String, _ content: [ExactText: JSON]?, replacing revision: String?) throws -> String {
        try self.checkOpen()
        let local = self.locals[ExactText(id)]
        guard revision == local.map({ "0-\($0.revision)" }) else { throw Refusal.conflict }
        guard local != nil || content != nil else { throw Refusal.notFound() }
        guard local != nil || self.locals.count < Self.mostLocalDocuments else { throw Refusal.full("there are too many local documents") }
        let next = content.map { Local(revision: (local?.revision ?? 0) + 1, content: $0) }
        let size = self.localSize - (local?.size ?? 0) + (next?.size ?? 0)
        guard size <= max(Self.mostLocalBytes, self.localSize) else { throw Refusal.full("there is no room for more local documents") }
        try self.journal.append([self.entry(id, next)])
        self.locals[ExactText(id)] = next
        self.localSize = size
        self.tidy()
        return "0-\(next?.revision ?? 0)"
    }

    private func entry(_ id: String, _ local: Local?) -> JSON {
        ["local": .text(id), "rev": .integer(local?.revision ?? 0), "content": local.map { .object($0.content) } ?? .null]
    }

    // MARK: The end

    private func checkOpen() throws(Refusal) {
        guard !self.isGone else { throw .notFound("Database does not exist.") }
    }

    /// Nothing is kept any more.
    func close() {
        self.isGone = true
        self.wakeAll()
    }
}
