/// How near a host is to the end of its memory, and with that what it gives up: each step adds to those before it.
package enum MemoryPressure: Int, Sendable, Comparable, CaseIterable {
    /// Less than half of the memory is in use.
    case none
    /// Receive windows grow no more.
    case tight
    /// The peers that hold most open no more streams here.
    case short
    /// Connections are closed, the least valuable first, until it is ``short`` no more.
    case critical
    /// All is in use but what is kept for bytes on their way, and for what the allocator adds (a quarter of what counts): those that go forward are closed as well, if there are no others.
    case exhausted

    /// At a use of so many bytes.
    package static func of(_ use: Int, limit: Int) -> MemoryPressure {
        switch use {
        case (limit / 4 * 3)...: .exhausted
        case (limit / 8 * 5)...: .critical
        case Self.relieved(limit)...: .short
        case (limit / 2)...: .tight
        default: .none
        }
    }

    /// To which use connections are closed.
    package static func relieved(_ limit: Int) -> Int { limit / 16 * 9 }

    package static func < (one: MemoryPressure, other: MemoryPressure) -> Bool { one.rawValue < other.rawValue }
}
