import Synchronization

/// Carries a task's cancellation to a thread that blocks.
final class Cancellation: Sendable {
    private let requested = Atomic(false)

    var isRequested: Bool { self.requested.load(ordering: .relaxed) }

    func request() {
        self.requested.store(true, ordering: .relaxed)
    }
}
