import NIOCore
import P2PCore
import P2PSwarm
import Synchronization

/// Streams whose protocol is not agreed on yet; those that take too long are reset.
///
/// One task sweeps them all once a second, so that a stream costs no timer.
final class PendingNegotiations: Sendable {
    private struct Pending {
        let stream: PeerStream
        let deadline: NIODeadline
    }

    static let interval = Duration.seconds(1)

    private let pending = Mutex<[ObjectIdentifier: Pending]>([:])
    private let clock: HostClock
    private let timeout: Duration

    init(timeout: Duration, clock: HostClock) {
        self.timeout = timeout
        self.clock = clock
    }

    /// Streams that are not agreed on now.
    var count: Int { self.pending.withLock { $0.count } }

    func insert(_ stream: PeerStream) {
        let deadline = self.clock.now().advanced(by: self.timeout)
        self.pending.withLock { $0[ObjectIdentifier(stream)] = Pending(stream: stream, deadline: deadline) }
    }

    func remove(_ stream: PeerStream) {
        self.pending.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(stream)) }
    }

    /// Resets what is late, until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            await self.clock.sleep(self.clock.now().advanced(by: Self.interval))
            self.sweep(at: self.clock.now())
        }
    }

    func sweep(at now: NIODeadline) {
        let late = self.pending.withLock { pending -> [Pending] in
            guard !pending.isEmpty else { return [] }
            return pending.values.filter { $0.deadline <= now }.sorted { $0.deadline < $1.deadline }
        }
        for entry in late { entry.stream.reset(.protocolNegotiationFailed) }
    }
}
