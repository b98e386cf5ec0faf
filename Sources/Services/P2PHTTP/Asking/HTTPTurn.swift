package import NIOCore
package import P2PCore
import Synchronization

/// Whose turn it is while a request is sent. What the head of a response may take to arrive is counted while it is the other side's: not while a
/// request waits for its own body, or for a place among those that are under way.
package final class HTTPTurn: Sendable {
    /// When the other side's began; nil while it is ours.
    private let began: Mutex<NIODeadline?>

    /// - Parameter began: when the other side's turn began; nil where it is ours.
    package init(theirsSince began: NIODeadline? = nil) { self.began = Mutex(began) }

    /// The other side is to take what is sent, or to answer.
    package func passed(at now: NIODeadline) { self.began.withLock { $0 = now } }

    /// Has bytes written in pieces of that size at most. Each is the other side's turn until it has been taken; then this side may take its time.
    package func send(
        _ bytes: ByteBuffer, inPiecesOf size: Int, on clock: HostClock, by write: (ByteBuffer) async throws -> Void
    ) async throws {
        var rest = bytes
        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(rest.readableBytes, size)) {
            self.passed(at: clock.now())
            try await write(piece)
            self.began.withLock { $0 = nil }
        }
    }

    /// When the other side will have taken too long; when to look again, where it is our turn.
    private func deadline(_ time: Duration, at now: NIODeadline) -> NIODeadline {
        (self.began.withLock { $0 } ?? now).advanced(by: time)
    }

    /// What `body` returns; nil once the other side has taken longer than that, or the task was cancelled.
    package func wait<Success: Sendable, Failure: Error>(
        _ time: Duration, on clock: HostClock, for body: @escaping @Sendable () async throws(Failure) -> Success
    ) async throws(Failure) -> Success? {
        while true {
            if let found = try await clock.result(by: self.deadline(time, at: clock.now()), of: body) { return found }
            let now = clock.now()
            if Task.isCancelled || self.deadline(time, at: now) <= now { return nil }
        }
    }
}
