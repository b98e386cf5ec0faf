import P2P
import P2PCore
import P2PIdentity

/// The pings of one command.
struct PingRun: Sendable {
    let target: TargetOptions
    /// How many; 0 until interrupted.
    let count: UInt
    let interval: Duration
    let console: Console
    /// How long to wait for a direct connection; nil not to.
    var direct: Duration?

    /// - Returns: why not every ping came back, if so.
    func execute(_ session: NodeSession) async throws -> ToolError? {
        let clock = ContinuousClock()
        let started = clock.now
        var connection = try await session.connect(self.target, listens: self.direct != nil)
        let connected = clock.now
        var directTime: Duration?
        if let direct, connection.remoteAddress.isRelayed {
            connection = try await self.directConnection(to: connection.remotePeer, within: direct, session)
            directTime = clock.now - connected
        }
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
        try await self.summarize(statistics, over: connection, connectTime: connected - started, directTime)
        return failure
    }

    /// Waits for a connection that leads over no relay.
    private func directConnection(to peer: PeerID, within time: Duration, _ session: NodeSession) async throws -> PeerConnection {
        let host = session.host
        let events = host.events()
        @Sendable func current() -> PeerConnection? {
            host.connections(to: peer).first { !$0.remoteAddress.isRelayed }
        }
        if let connection = current() { return connection }
        _ = await host.clock.result(by: host.clock.now().advanced(by: time)) {
            for await event in events {
                if case .connected = event, current() != nil { return }
            }
        }
        guard let direct = current() else {
            throw ToolError("limited", "no direct connection to \(peer) came about within \(time); it is reached through a relay only")
        }
        return direct
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

    /// - Parameter directTime: from the relayed connection to the direct one, where somebody has waited for it.
    private func summarize(
        _ statistics: PingStatistics, over connection: PeerConnection, connectTime: Duration, _ directTime: Duration?
    ) async throws {
        let times = statistics.times
        try await self.console.emit(
            [
                "event": "summary", "peer": .text(connection.remotePeer), "sent": .unsigned(UInt64(statistics.sent)),
                "received": .unsigned(UInt64(statistics.received)), "connect_ms": .milliseconds(connectTime),
                "min_ms": times.map { .milliseconds($0.minimum) } ?? .null, "median_ms": times.map { .milliseconds($0.median) } ?? .null,
                "max_ms": times.map { .milliseconds($0.maximum) } ?? .null, "security": .text(connection.security),
                "muxer": .text(connection.muxer), "early_muxer": .bool(connection.wasMuxerEarly),
                "limited": .bool(connection.isLimited), "direct_ms": directTime.map { .milliseconds($0) } ?? .null,
            ],
            """
            \(statistics.sent) sent, \(statistics.received) received, connected in \(Milliseconds(connectTime)) ms \
            (\(connection.security), \(connection.muxer)\(connection.isLimited ? ", limited by a relay" : "")\
            \(directTime.map { ", direct after \(Milliseconds($0)) ms" } ?? ""))\
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
