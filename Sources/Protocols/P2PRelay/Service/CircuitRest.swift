import NIOCore
import P2PCore

/// What is left of a circuit when its streams are each on their own: bytes, and the end behind them, that wait in the stream of whoever is to take them.
struct CircuitRest: Sendable {
    let seat: CircuitSeat
    let stream: PeerStream
    /// When the circuit's time is over; nil for never.
    let deadline: NIODeadline?

    /// Returns when everything has left. At the end of the circuit's time the stream is reset; when the task is cancelled it is not, and what waits leaves if its
    /// connection lives for so long.
    func leave(on clock: HostClock) async throws(StreamError) {
        let failure = await withTaskGroup(of: Void.self) { group in
            // What the taker says now goes nowhere, but whoever waits for its words to be taken might never take the rest.
            group.addTask { while (try? await self.stream.read()) != nil {} }
            defer { group.cancelAll() }
            return await self.finish(on: clock)
        }
        guard let failure else { return }
        if failure.code == .timedOut { self.stream.reset(.resourceLimitExceeded) }
        throw failure
    }

    private func finish(on clock: HostClock) async -> StreamError? {
        do throws(StreamError) {
            guard let deadline = self.deadline else {
                try await self.stream.finish()
                return nil
            }
            let isDone: Bool? = try await clock.result(by: deadline) { () throws(StreamError) in
                try await self.stream.finish()
                return true
            }
            return isDone == nil ? StreamError(.timedOut, "the rest of the circuit was not taken in the circuit's time") : nil
        } catch {
            return error
        }
    }
}
