/// A document with all that is known of its edits.
struct Document: Sendable {
    let id: String
    /// When it was last changed, as its database counts.
    var sequence: Int
    var tree: RevisionTree
    /// Bytes of it in the journal, about.
    var size = 0

    /// Bytes of a name.
    static let longestID = 512

    /// Members of a document that are not its content.
    private static let special: Set<ExactText> = [
        "_id", "_rev", "_revisions", "_deleted", "_conflicts", "_deleted_conflicts", "_revs_info", "_local_seq",
    ]

    /// A name that a document may have.
    static func id(_ text: String) throws(Refusal) -> String {
        guard (1...self.longestID).contains(text.utf8.count) else {
            throw .badRequest("a document's name has 1 to \(self.longestID) bytes")
        }
        guard !text.hasPrefix("_") || text.hasPrefix("_design/") && text != "_design/" else {
            throw .badRequest("Only reserved document ids may start with underscore.")
        }
        return text
    }

    /// What a document says, without what is said of it.
    static func content(of document: [ExactText: JSON]) throws(Refusal) -> [ExactText: JSON] {
        for name in document.keys where name.text.hasPrefix("_") && !self.special.contains(name) {
            guard name != "_attachments" else {
                throw Refusal(status: 501, error: "not_implemented", reason: "this store keeps no attachments")
            }
            throw Refusal(status: 400, error: "doc_validation", reason: "Bad special document member: \(name.text.prefix(100))")
        }
        return document.filter { !$0.key.text.hasPrefix("_") }
    }

    /// The revision of a document that was edited elsewhere, and those before it, the newest first.
    static func history(of document: [ExactText: JSON]) throws(Refusal) -> [Revision] {
        guard let revisions = document["_revisions"] else {
            guard let revision = document["_rev"]?.text.flatMap({ Revision($0) }) else { throw .badRequest("Invalid rev format") }
            return [revision]
        }
        guard let start = revisions["start"]?.integer, let ids = revisions["ids"]?.list,
            (1...RevisionTree.longestHistory).contains(ids.count),
            start >= ids.count
        else { throw .badRequest("_revisions is none") }
        var history: [Revision] = []
        for (index, id) in ids.enumerated() {
            guard let digest = id.text, let revision = Revision(generation: start - index, digest: digest) else {
                throw .badRequest("_revisions is none")
            }
            history.append(revision)
        }
        if let revision = document["_rev"]?.text, revision != "\(history[0])" { throw .badRequest("_rev and _revisions differ") }
        return history
    }

    /// What else is said of a document with it.
    struct Extras {
        var hasHistory = false
        var hasConflicts = false
        var hasRevisionsInfo = false
    }

    /// A revision as it is handed out; nil where it, or what it said, is not known.
    func json(_ revision: Revision, _ extras: Extras = Extras()) -> JSON? {
        guard let node = self.tree.nodes[revision], var members = node.body else { return nil }
        members["_id"] = .text(self.id)
        members["_rev"] = .text("\(revision)")
        if node.isDeleted { members["_deleted"] = true }
        if extras.hasHistory || extras.hasRevisionsInfo {
            let history = self.tree.history(of: revision)
            if extras.hasHistory {
                members["_revisions"] = ["start": .integer(revision.generation), "ids": .list(history.map { .text($0.digest) })]
            }
            if extras.hasRevisionsInfo {
                members["_revs_info"] = .list(
                    history.map { one in
                        let node = self.tree.nodes[one]
                        let status = node?.body == nil ? "missing" : node?.isDeleted == true ? "deleted" : "available"
                        return ["rev": .text("\(one)"), "status": .text(status)]
                    })
            }
        }
        if extras.hasConflicts, revision == self.tree.winner, !self.tree.conflicts.isEmpty {
            members["_conflicts"] = .list(self.tree.conflicts.map { .text("\($0)") })
        }
        return .object(members)
    }

    /// As it is kept on the disk.
    var entry: JSON { ["seq": .integer(self.sequence), "id": .text(self.id), "tree": self.tree.json] }
}
