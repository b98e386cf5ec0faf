import P2P
import P2PCore

/// The pings of one command.
struct PingRun: Sendable {
    let target: TargetOptions
    /// How many; 0 until interrupted.
    let count: UInt
    let interval: Duration
    let console: Console

    /// - Returns: why not every ping came back, if so.
    func execute(_ session: NodeSession) async throws -> ToolError? {
        let clock = ContinuousClock()
        let started = clock.now
        let connection = try await session.connect(self.target)
        let connectTime = clock.now - started
        let pinger = Pinger(on: connection)
        var statistics = PingStatistics()
        var failure: ToolError?
        var next = clock.now
        while !Task.isCancelled, self.count == 0 || statistics.sent < self.count {
            if statistics.sent > 0 {
                next = max(next + self.interval, clock.now)
                guard (try? await clock.sleep(until: next)) != nil else { break }
            }
            let outcome = await self.ping(pinger, timeout: session.options.timeout.duration)
            if case .failure(let error) = outcome, error.code == .cancelled { break }
            statistics.note(try? outcome.get())
            try await self.report(outcome, sequence: statistics.sent, from: connection)
            if case .failure(let error) = outcome {
                failure = failure ?? ToolError(error)
                guard error.code == .timedOut else { break }
            }
        }
        await pinger.close()
        try await self.summarize(statistics, over: connection, connectTime: connectTime)
        return failure
    }

    private func ping(_ pinger: Pinger, timeout: Duration) async -> Result<Duration, StreamError> {
        do throws(StreamError) {
            return .success(try await pinger.ping(timeout: timeout))
        } catch {
            return .failure(error)
        }
    }

    private func report(_ outcome: Result<Duration, StreamError>, sequence: UInt, from connection: PeerConnection) async throws {
        switch outcome {
        case .success(let roundTrip):
            try await self.console.emit(
                ["event": "pong", "sequence": .unsigned(UInt64(sequence)), "rtt_ms": .milliseconds(roundTrip)],
                "pong \(sequence) from \(connection.remotePeer): \(Milliseconds(roundTrip)) ms")
        case .failure(let error):
            let reason = ToolError(error)
            try await self.console.emit(
                [
                    "event": "lost", "sequence": .unsigned(UInt64(sequence)), "code": .string(reason.code),
                    "message": .string(reason.message),
                ],
                "ping \(sequence) was lost: \(reason)")
        }
    }

    private func summarize(_ statistics: PingStatistics, over connection: PeerConnection, connectTime: Duration) async throws {
        let times = statistics.times
        try await self.console.emit(
            [
                "event": "summary", "peer": .text(connection.remotePeer), "sent": .unsigned(UInt64(statistics.sent)),
                "received": .unsigned(UInt64(statistics.received)), "connect_ms": .milliseconds(connectTime),
                "min_ms": times.map { .milliseconds($0.minimum) } ?? .null, "median_ms": times.map { .milliseconds($0.median) } ?? .null,
                "max_ms": times.map { .milliseconds($0.maximum) } ?? .null, "security": .text(connection.security),
                "muxer": .text(connection.muxer), "early_muxer": .bool(connection.wasMuxerEarly),
            ],
            """
            \(statistics.sent) sent, \(statistics.received) received, connected in \(Milliseconds(connectTime)) ms \
            (\(connection.security), \(connection.muxer))\
            \(times.map { "\nmin/median/max \(Milliseconds($0.minimum))/\(Milliseconds($0.median))/\(Milliseconds($0.maximum)) ms" } ?? "")
            """)
    }
}

/// A duration as text, in milliseconds with three decimals at most.
struct Milliseconds: CustomStringConvertible {
    let description: String

    init(_ duration: Duration) {
        self.description = ((duration.milliseconds * 1_000).rounded() / 1_000).description
    }
}
