/// What peers may make a host hold in memory, in bytes. Beyond ``total`` stands ``allowed``, and nothing else.
package struct MemoryLimits: Sendable, Hashable {
    /// For everybody together.
    package var total: Int
    /// For one peer, over all of its connections.
    package var perPeer: Int
    /// Beside ``total``, for peers in networks that are known; what these hold beyond it counts like a stranger's.
    package var allowed: Int

    package init(total: Int, perPeer: Int, allowed: Int) {
        self.total = total
        self.perPeer = perPeer
        self.allowed = allowed
    }

    /// Nothing is ever refused.
    package static let none = MemoryLimits(total: .max, perPeer: .max, allowed: 0)
}
