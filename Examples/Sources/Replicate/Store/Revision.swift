/// A revision of a document: how many edits led to it, and what tells it from others of as many. Written `3-5f1c…`.
struct Revision: Hashable, Comparable, Sendable {
    /// The most edits that are told apart.
    static let highestGeneration = Int(Int32.max)
    /// Bytes of a digest; CouchDB's have 32.
    static let longestDigest = 64

    let generation: Int
    let digest: String

    init?(generation: Int, digest: String) {
        guard (1...Self.highestGeneration).contains(generation), (1...Self.longestDigest).contains(digest.utf8.count),
            digest.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) || (0x41...0x5a).contains($0) })
        else { return nil }
        self.generation = generation
        self.digest = digest
    }

    static func < (one: Self, other: Self) -> Bool { (one.generation, one.digest) < (other.generation, other.digest) }
}

extension Revision: LosslessStringConvertible {
    init?(_ description: String) {
        guard let dash = description.firstIndex(of: "-") else { return nil }
        let number = description[..<dash]
        guard (1...10).contains(number.utf8.count), number.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let generation = Int(number)
        else {
            return nil
        }
        self.init(generation: generation, digest: String(description[description.index(after: dash)...]))
    }

    var description: String { "\(self.generation)-\(self.digest)" }
}
