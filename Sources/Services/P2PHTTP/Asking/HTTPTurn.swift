package import NIOCore
package import P2PCore
import Synchronization

/// Whose turn it is while a request is sent. What the head of a response may take to arrive is counted while it is the other side's: not while a
/// request waits for its own body, or for a place among those that are under way.
package final class HTTPTurn: Sendable {
    private struct State {
        /// When the other side's began; nil while it is ours.
        var began: NIODeadline?
        var hasBody = false
    }

    /// What the other side's turn may take.
    package struct Patience: Sendable {
        let head: Duration
        let body: Duration

        /// - Parameters:
        ///   - head: behind a request that was a head.
        ///   - body: once there was something of a body. What is written may wait for long in buffers of this machine, of which nobody tells how
        ///     much has left, and a server may have to do something with it.
        package init(_ head: Duration, withBody body: Duration) {
            self.head = head
            self.body = body
        }

        package init(_ time: Duration) { self.init(time, withBody: time) }
    }

    private let state: Mutex<State>

    /// - Parameter began: when the other side's turn began; nil where it is ours.
    package init(theirsSince began: NIODeadline? = nil) { self.state = Mutex(State(began: began)) }

    /// The other side is to take what is sent, or to answer.
    package func passed(at now: NIODeadline) { self.state.withLock { $0.began = now } }

    /// Has bytes written: the other side's turn until they have been taken; then this side may take its time.
    package func send(_ bytes: ByteBuffer, on clock: HostClock, by write: (ByteBuffer) async throws -> Void) async throws {
        self.passed(at: clock.now())
        try await write(bytes)
        self.state.withLock { $0.began = nil }
    }

    /// Has some of a body written, in pieces of that size at most.
    package func send(
        _ bytes: ByteBuffer, inPiecesOf size: Int, on clock: HostClock, by write: (ByteBuffer) async throws -> Void
    ) async throws {
        var rest = bytes
        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(rest.readableBytes, size)) {
            self.state.withLock { $0.hasBody = true }
            try await self.send(piece, on: clock, by: write)
        }
    }

    /// When the other side will have taken too long; when to look again, where it is our turn.
    private func deadline(_ patience: Patience, at now: NIODeadline) -> NIODeadline {
        let state = self.state.withLock { $0 }
        return (state.began ?? now).advanced(by: state.hasBody ? patience.body : patience.head)
    }

    /// What `body` returns; nil once the other side has taken longer than that, or the task was cancelled.
    package func wait<Success: Sendable, Failure: Error>(
        _ patience: Patience, on clock: HostClock, for body: @escaping @Sendable () async throws(Failure) -> Success
    ) async throws(Failure) -> Success? {
        while true {
            if let found = try await clock.result(by: self.deadline(patience, at: clock.now()), of: body) { return found }
            let now = clock.now()
            if Task.isCancelled || self.deadline(patience, at: now) <= now { return nil }
        }
    }
}
