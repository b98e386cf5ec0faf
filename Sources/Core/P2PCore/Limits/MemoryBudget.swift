import Synchronization

/// Bytes that receive windows may grow by, over all connections of a host.
public final class MemoryBudget: Sendable {
    private let free: Atomic<Int>
    /// The whole budget, in bytes.
    public let limit: Int

    /// A budget of `limit` bytes.
    public init(limit: Int) {
        self.limit = limit
        self.free = Atomic(limit)
    }

    /// Takes bytes from the budget; false, and nothing taken, when there are not so many.
    public func reserve(_ bytes: Int) -> Bool {
        guard bytes >= 0 else { return false }
        var free = self.free.load(ordering: .relaxed)
        while free >= bytes {
            let (exchanged, original) = self.free.weakCompareExchange(expected: free, desired: free - bytes, ordering: .relaxed)
            if exchanged { return true }
            free = original
        }
        return false
    }

    /// Gives back what was taken.
    public func release(_ bytes: Int) {
        self.free.wrappingAdd(bytes, ordering: .relaxed)
    }

    /// Bytes that are taken now.
    public var reserved: Int { self.limit - self.free.load(ordering: .relaxed) }
}
