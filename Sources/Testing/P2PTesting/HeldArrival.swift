import P2PCore
import Synchronization

/// An arrival in the hands of a test: the listener's task stays until it is released.
final class HeldArrival: Sendable {
    private let pending: Mutex<(any PendingConnection)?>
    private let released = Inbox<Void, Never>(limit: 1)

    init(_ pending: any PendingConnection) {
        self.pending = Mutex(pending)
    }

    deinit {
        self.release()
    }

    private func held() throws -> any PendingConnection {
        guard let pending = self.pending.withLock({ $0 }) else { throw ConformanceFailure("the arrival was released before") }
        return pending
    }

    func accept() async throws -> any MuxedConnection { try await self.held().accept() }

    func refuse() { self.pending.withLock { $0 }?.refuse() }

    /// Lets go of the arrival, and lets the listener's task return.
    func release() {
        let pending = self.pending.withLock { $0.take() }
        withExtendedLifetime(pending) {}
        self.released.finish(.success(()))
    }

    /// Waits for ``release()``.
    static func wait(for released: Inbox<Void, Never>) async { _ = await released.next() }

    /// What the listener's task waits on, which must not hold the arrival itself.
    var whenReleased: Inbox<Void, Never> { self.released }
}
