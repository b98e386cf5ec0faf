import Synchronization

/// Places that many share, each for a while: who needs more than its own asks for one, and does without if there is none.
package final class LentPlaces: Sendable {
    private let lent = Mutex(0)
    private let limit: Int

    /// - Parameter limit: places that are lent at a time.
    package init(limit: Int) {
        self.limit = limit
    }

    /// Places that are lent now.
    package var count: Int { self.lent.withLock { $0 } }

    /// Lends a place; false when none is left.
    package func lend() -> Bool {
        self.lent.withLock { lent in
            guard lent < self.limit else { return false }
            lent += 1
            return true
        }
    }

    /// Takes back so many places.
    package func giveBack(_ count: Int = 1) {
        guard count > 0 else { return }
        self.lent.withLock { $0 -= count }
    }
}
