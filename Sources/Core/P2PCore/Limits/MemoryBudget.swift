import Synchronization

/// Bytes that receive windows may grow by, over all connections of a host, and the account of what these hold.
public final class MemoryBudget: Sendable {
    private let free: Atomic<Int>
    private let least: Atomic<Int>
    private let refused = Atomic(0)
    /// The whole budget of windows, in bytes.
    public let limit: Int
    /// What peers make the host hold.
    package let held: HeldMemory
    /// What waits in streams whose readers pass everything on.
    package let passing: PassingBacklog
    /// The part of a budget that is to wait there at most, if that is not less than ``leastPassing``.
    static let passingShare = 128
    /// What may wait there in any case, in bytes, though no more than an eighth of the budget.
    static let leastPassing = 2 << 20

    /// A budget of `limit` bytes for windows, where nothing else is bounded.
    public convenience init(limit: Int) {
        self.init(limit: limit, held: HeldMemory(.none))
    }

    /// - Parameter held: has windows grow no more when it is tight.
    package init(limit: Int, held: HeldMemory) {
        self.limit = limit
        self.free = Atomic(limit)
        self.least = Atomic(limit)
        self.held = held
        self.passing = PassingBacklog(limit: min(limit / 8, max(limit / Self.passingShare, Self.leastPassing)))
    }

    /// Takes bytes from the budget; false, and nothing taken, when there are not so many.
    public func reserve(_ bytes: Int) -> Bool {
        guard bytes >= 0 else { return false }
        var free = self.free.load(ordering: .relaxed)
        while free >= bytes, self.held.mayGrow {
            let (exchanged, original) = self.free.weakCompareExchange(expected: free, desired: free - bytes, ordering: .relaxed)
            if exchanged {
                self.least.min(free - bytes, ordering: .relaxed)
                return true
            }
            free = original
        }
        self.refused.wrappingAdd(1, ordering: .relaxed)
        return false
    }

    /// Gives back what was taken.
    public func release(_ bytes: Int) {
        self.free.wrappingAdd(bytes, ordering: .relaxed)
    }

    /// The most that ``reserved`` has been.
    package var peak: Int { self.limit - self.least.load(ordering: .relaxed) }
    /// How often a window wanted to grow and could not.
    package var refusals: Int { self.refused.load(ordering: .relaxed) }
    /// Bytes that are taken now.
    public var reserved: Int { self.limit - self.free.load(ordering: .relaxed) }
}

extension MemoryBudget {
    /// The account of a new connection.
    package func account(for info: ConnectionInfo) -> MemoryAccount {
        self.held.account(for: info.remotePeer, at: info.remoteAddress, isDialled: info.isDialled)
    }
}
