import NIOCore
import P2PCore

/// What is left of a circuit when its streams are each on their own: bytes, and the end behind them, that wait in the stream of whoever is to take them, and what
/// that one still says, to nobody.
struct CircuitRest: Sendable {
    /// How long whoever has taken everything has for its own end.
    private static let lastWordsTime = Duration.seconds(60)
    /// Bytes that it may say while the rest waits for it, at most: as many as may pass, where these are fewer.
    private static let maximumWords: UInt64 = 16 * 1_024 * 1_024
    /// Bytes that it may say after that: what was on the way, in a window and in its own buffers, and a few words about what it has read. Who says more is told that
    /// nobody hears it.
    static let maximumLastWords = 1_024 * 1_024

    /// Has the circuit counted until this is over.
    private let seat: CircuitSeat
    private let stream: PeerStream
    private let words: Int
    /// When the circuit's time is over; nil for never.
    private let deadline: NIODeadline?

    /// - Parameters:
    ///   - stream: of the one that is to take it.
    ///   - limit: bytes that could pass through the circuit each way; nil for any number.
    init(seat: CircuitSeat, stream: PeerStream, limit: UInt64?, deadline: NIODeadline?) {
        self.seat = seat
        self.stream = stream
        self.words = Int(min(limit ?? .max, Self.maximumWords))
        self.deadline = deadline
    }

    /// Returns when everything has left, and the taker has said its end. A taker that is too late with either, or says too much, has the stream reset. When the task is
    /// cancelled, what waits still leaves if nobody else resets the stream and its connection lives for so long.
    func leave(on clock: HostClock) async throws(StreamError) {
        defer { withExtendedLifetime(self.seat) {} }
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
        var (count, late) = (0, 0)
        while let bytes = try? await self.stream.read() {
            count += bytes.readableBytes
            if self.stream.muxed.hasFinishLeft { late += bytes.readableBytes }
            if count > self.words || late > Self.maximumLastWords { return self.stream.reset(.resourceLimitExceeded) }
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
