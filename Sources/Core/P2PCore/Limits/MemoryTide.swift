import Synchronization

/// Notices that much less memory is in use than was: what was freed then lies in pages that the allocator keeps.
///
/// From any thread.
package final class MemoryTide: Sendable {
    /// How much less is worth a look, in bytes, and of what is left: to look takes longer where there is more.
    package static let worthwhile = (least: 4 << 20, share: 16)

    /// The most that was in use since somebody looked last.
    private let high = Atomic(0)
    private let isTold = Atomic(false)
    private let onEbb = Mutex<(@Sendable () -> Void)?>(nil)

    package init() {}

    /// Calls `body`, from any thread, when it is worth a look, and not again before ``watch(use:)``.
    package func onEbb(_ body: (@Sendable () -> Void)?) {
        self.onEbb.withLock { $0 = body }
    }

    /// So many bytes are in use, which is more than before.
    func rose(to use: Int) {
        self.high.max(use, ordering: .relaxed)
    }

    /// So many bytes are in use, which is less than before.
    func fell(to use: Int) {
        guard self.high.load(ordering: .relaxed) - use >= max(Self.worthwhile.least, use / Self.worthwhile.share) else { return }
        guard !self.isTold.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.onEbb.withLock { $0 }?()
    }

    /// Somebody looks now, while so many bytes are in use.
    package func looked(use: Int) {
        self.high.store(use, ordering: .relaxed)
    }

    /// Whoever looked is ready to look again, which may be worth it already.
    ///
    /// - Parameter use: bytes that are in use then; asked for once every later fall is heard again.
    package func watch(use: @autoclosure () -> Int) {
        _ = self.isTold.exchange(false, ordering: .acquiringAndReleasing)
        self.fell(to: use())
    }
}
