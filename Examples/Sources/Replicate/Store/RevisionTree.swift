/// What is known of the edits of one document, as a tree: who edits the same revision in two places makes two branches, and neither is lost.
///
/// Every node sees the same winner among the same leaves (CouchDB replication model): one that is not deleted, of the most edits, of the
/// greatest digest. What the others say is kept for as long as nobody deletes them.
struct RevisionTree: Sendable {
    /// Ancestors of a leaf that are remembered.
    static let longestHistory = 1_000
    /// Branches of one document.
    static let mostLeaves = 256

    struct Node: Sendable {
        var parent: Revision?
        var isDeleted: Bool
        /// What it says; of leaves alone.
        var body: [ExactText: JSON]?
    }

    private(set) var nodes: [Revision: Node] = [:]
    private(set) var leaves: Set<Revision> = []

    /// The revision that is shown to who asks for none.
    var winner: Revision? { self.ranked.first }

    /// The leaves, the winner first.
    var ranked: [Revision] {
        self.leaves.sorted { one, other in
            let (isDeleted, isOtherDeleted) = (self.isDeleted(one), self.isDeleted(other))
            return isDeleted == isOtherDeleted ? one > other : isOtherDeleted
        }
    }

    /// Leaves that are neither the winner nor deleted.
    var conflicts: [Revision] { self.ranked.dropFirst().filter { !self.isDeleted($0) } }

    func isDeleted(_ revision: Revision) -> Bool { self.nodes[revision]?.isDeleted ?? false }

    /// A revision and its ancestors, the newest first.
    func history(of revision: Revision) -> [Revision] {
        var history: [Revision] = []
        var next: Revision? = revision
        while let revision = next, let node = self.nodes[revision] {
            history.append(revision)
            next = node.parent
        }
        return history
    }

    /// The leaves that come of any of the revisions.
    func leaves(after revisions: Set<Revision>) -> [Revision] {
        self.leaves.filter { self.history(of: $0).contains(where: revisions.contains) }
    }

    /// Takes a revision that was made elsewhere.
    ///
    /// - Parameter history: it and its ancestors, the newest first.
    /// - Returns: whether it was not known.
    mutating func take(_ history: [Revision], isDeleted: Bool, body: [ExactText: JSON]) throws(Refusal) -> Bool {
        guard let revision = history.first else { throw .badRequest("a revision is missing") }
        guard self.nodes[revision] == nil else { return false }
        let known = history.firstIndex { self.nodes[$0] != nil }
        let replaced = known.map { history[$0] }.flatMap { self.leaves.contains($0) ? $0 : nil }
        guard replaced != nil || self.leaves.count < Self.mostLeaves else {
            throw .forbidden("a document has at most \(Self.mostLeaves) branches")
        }
        let unknown = history[..<(known ?? history.endIndex)]
        for (index, ancestor) in unknown.enumerated() {
            let parent = index + 1 < history.count ? history[index + 1] : nil
            self.nodes[ancestor] = Node(parent: parent, isDeleted: index == 0 && isDeleted, body: index == 0 ? body : nil)
        }
        if let replaced {
            self.leaves.remove(replaced)
            self.nodes[replaced]?.body = nil
        }
        self.leaves.insert(revision)
        if self.nodes.count > Self.longestHistory { self.stem() }
        return true
    }

    /// Edits a revision here.
    ///
    /// - Parameter base: nil for a new document, or one that is deleted.
    /// - Throws: a conflict unless it is a leaf.
    mutating func edit(_ base: Revision?, isDeleted: Bool, body: [ExactText: JSON]) throws(Refusal) -> Revision {
        var base = base
        if base == nil, let winner = self.winner {
            guard self.isDeleted(winner) else { throw .conflict }
            base = winner
        }
        if let base, !self.leaves.contains(base) { throw .conflict }
        let digest = Checksum.revision(of: body, isDeleted: isDeleted, after: base)
        guard let revision = Revision(generation: (base?.generation ?? 0) + 1, digest: digest) else {
            throw .forbidden("this document has been edited too often")
        }
        _ = try self.take([revision] + (base.map { [$0] } ?? []), isDeleted: isDeleted, body: body)
        return revision
    }

    /// Forgets ancestors of long ago.
    private mutating func stem() {
        var kept: Set<Revision> = []
        for leaf in self.leaves { kept.formUnion(self.history(of: leaf).prefix(Self.longestHistory)) }
        self.nodes = self.nodes.filter { kept.contains($0.key) }
        for (revision, node) in self.nodes {
            if let parent = node.parent, !kept.contains(parent) { self.nodes[revision]?.parent = nil }
        }
    }
}

extension RevisionTree {
    /// As it is kept on the disk.
    var json: JSON {
        .list(
            self.nodes.sorted { $0.key < $1.key }.map { revision, node in
                [
                    .text("\(revision)"), node.parent.map { .text("\($0)") } ?? .null, .flag(node.isDeleted),
                    node.body.map { .object($0) } ?? .null,
                ]
            })
    }

    /// Nil if it is not one.
    init?(_ json: JSON) {
        guard let entries = json.list else { return nil }
        for entry in entries {
            guard let fields = entry.list, fields.count == 4, let revision = fields[0].text.flatMap({ Revision($0) }) else { return nil }
            self.nodes[revision] = Node(
                parent: fields[1].text.flatMap { Revision($0) }, isDeleted: fields[2].isTrue, body: fields[3].object)
        }
        // A parent has fewer edits than its child, so that there is no way round in a circle.
        guard self.nodes.allSatisfy({ $0.key.generation > $0.value.parent?.generation ?? 0 }) else { return nil }
        self.leaves = Set(self.nodes.keys).subtracting(self.nodes.values.compactMap(\.parent))
    }
}
