import NIOCore
import P2PCore

/// What is left of a circuit when its streams are each on their own: bytes, and the end behind them, that wait in the stream of whoever is to take them, and what
/// that one still says, to nobody.
struct CircuitRest: Sendable {
    /// How long whoever has taken everything has for its own end.
    private static let lastWordsTime = Duration.seconds(60)
    /// Bytes that it may say meanwhile.
    private static let lastWords = 16 * 1_024 * 1_024

    let seat: CircuitSeat
    let stream: PeerStream
    /// When the circuit's time is over; nil for never.
    let deadline: NIODeadline?

    /// Returns when everything has left, and the taker has said its end. A taker that is too late with either, or says too much, has the stream reset; when the task is
    /// cancelled it is not, and what waits leaves if its connection lives for so long.
    func leave(on clock: HostClock) async throws(StreamError) {
        let failure = await withTaskGroup(of: Void.self) { group in
            let hasEnded = Signal()
            // Whoever waits for its words to be taken might never take the rest.
            group.addTask {
                await self.drop()
                hasEnded.fire()
            }
            defer { group.cancelAll() }
            let failure = await self.finish(on: clock)
            guard failure == nil else { return failure }
            let latest = clock.now().advanced(by: Self.lastWordsTime)
            _ = await clock.result(by: min(latest, self.deadline ?? latest)) { await hasEnded.wait() }
            let isOver = self.stream.muxed.hasPeerFinished || self.stream.muxed.failure != nil
            return isOver ? nil : StreamError(.timedOut, "the taker of a circuit's rest did not come to its own end")
        }
        guard let failure else { return }
        if !Task.isCancelled { self.stream.reset(.resourceLimitExceeded) }
        throw failure
    }

    private func drop() async {
        var count = 0
        while let bytes = try? await self.stream.read() {
            count += bytes.readableBytes
            if count > Self.lastWords { return self.stream.reset(.resourceLimitExceeded) }
        }
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
