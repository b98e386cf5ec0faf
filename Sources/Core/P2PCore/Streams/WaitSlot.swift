/// The place of the one task that may wait for something: claimed before it suspends, left when it has come back.
///
/// A value in somebody's mutex. It resumes nobody: whom to resume is returned, for after the unlocking.
///
/// ```
///           claim            park
///     free ──────▸ claimed ──────▸ parked       leave: from everywhere to free
///                     ▴     wake     │          cancel: from claimed and parked to cancelled
///                     ╰──────────────╯
/// ```
enum WaitSlot {
    case free
    /// A task has the place, and runs: it is about to suspend, or has been woken.
    case claimed
    case parked(StreamBuffer.Waiter)
    /// A task has the place, and was cancelled.
    case cancelled

    /// Whether somebody has the place.
    var isClaimed: Bool { if case .free = self { false } else { true } }

    /// Takes the place, which is to be free.
    mutating func claim() { self = .claimed }

    /// Suspends whoever has the place; false when it was cancelled, and is to go on at once.
    mutating func park(_ waiter: StreamBuffer.Waiter) -> Bool {
        guard case .claimed = self else { return false }
        self = .parked(waiter)
        return true
    }

    /// There is news: whom to resume, if anybody is suspended.
    mutating func wake() -> StreamBuffer.Waiter? {
        guard case .parked(let waiter) = self else { return nil }
        self = .claimed
        return waiter
    }

    /// The task that has the place was cancelled: whom to resume, if it is suspended.
    mutating func cancel() -> StreamBuffer.Waiter? {
        switch self {
        case .free: return nil
        case .claimed, .cancelled:
            self = .cancelled
            return nil
        case .parked(let waiter):
            self = .cancelled
            return waiter
        }
    }

    /// The task has come back; true when it was cancelled.
    mutating func leave() -> Bool {
        defer { self = .free }
        if case .cancelled = self { return true }
        return false
    }
}
