import NIOCore
import P2PCore
import P2PIdentity

/// What is left of a circuit whose streams are each on their own by now: bytes, and the end behind them, that wait in the stream of whoever is to take them.
struct CircuitRest: Sendable {
    let source: PeerID
    let target: PeerID
    let stream: PeerStream
    /// When the circuit's time is over; nil for never.
    let deadline: NIODeadline?

    /// Returns when everything has left. At the end of its time the stream is reset.
    func leave(on clock: HostClock) async throws(StreamError) {
        do throws(StreamError) {
            guard let deadline = self.deadline else { return try await self.stream.finish() }
            let isGone: Void? = try await clock.result(by: deadline) { () throws(StreamError) in try await self.stream.finish() }
            if isGone == nil { throw StreamError(.timedOut, "the rest of the circuit was not taken in the circuit's time") }
        } catch {
            self.stream.reset(.resourceLimitExceeded)
            throw error
        }
    }
}
