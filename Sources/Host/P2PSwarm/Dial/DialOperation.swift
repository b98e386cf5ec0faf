package import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr
import Synchronization

/// A dial that is under way; every task that wants the same peer waits for it.
///
/// It belongs to the host, not to the first task that asked: so it goes on while anybody waits, and is cancelled when
/// nobody does.
package final class DialOperation: Sendable {
    private struct State {
        var waiters = 0
        var isAbandoned = false
        var result: Result<ConnectionEntry, DialError>?
    }

    /// Whom to expect; nil when any peer will do.
    package let peer: PeerID?
    package let addresses: [Multiaddr]
    package let deadline: NIODeadline
    /// The caller named the addresses, so those that have failed lately are tried again.
    package let isExplicit: Bool
    /// Nobody waits any more, or the host stops.
    package let abandoned = Signal()

    private let done = Signal()
    private let state = Mutex(State())

    package init(peer: PeerID?, addresses: [Multiaddr], deadline: NIODeadline, isExplicit: Bool) {
        self.peer = peer
        self.addresses = addresses
        self.deadline = deadline
        self.isExplicit = isExplicit
    }

    var waiterCount: Int { self.state.withLock { $0.waiters } }

    /// Announces a waiter; false when the last one has just left.
    func join() -> Bool {
        self.state.withLock { state in
            guard !state.isAbandoned else { return false }
            state.waiters += 1
            return true
        }
    }

    /// Waits for the end. Call ``join()`` first.
    func wait() async -> Result<ConnectionEntry, DialError> {
        await self.done.wait()
        let (result, isLast) = self.state.withLock { state in
            state.waiters -= 1
            state.isAbandoned = state.waiters == 0
            return (state.result, state.isAbandoned)
        }
        if isLast { self.abandoned.fire() }
        return result ?? .failure(DialError(.cancelled, "the task that dialled was cancelled"))
    }

    /// Only the first result counts.
    package func complete(_ result: Result<ConnectionEntry, DialError>) {
        self.state.withLock { if $0.result == nil { $0.result = result } }
        self.done.fire()
    }
}
