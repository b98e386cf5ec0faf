import Logging
import P2PCore
import P2PNegotiation
import P2PSwarm
import Synchronization

extension PeerHost {
    /// Serves one stream that a peer opened, from its negotiation to its end.
    func serve(_ stream: PeerStream, on entry: ConnectionEntry, as connection: PeerConnection) async {
        self.tasks.wrappingAdd(1, ordering: .relaxed)
        defer { self.tasks.wrappingSubtract(1, ordering: .relaxed) }
        let served = self.registry.served
        let table = served.table(for: entry.info)
        var protocolID = stream.acceptAtOnce(table)
        if protocolID == nil { protocolID = await self.negotiate(stream, table, on: entry) }
        guard let protocolID, let handler = served[protocolID] else { return }
        if !self.streamGaters.isEmpty, await !self.mayServe(stream, for: protocolID, on: entry) { return }
        if let traffic = self.traffic {
            return await self.serveObserved(handler, stream, of: protocolID, on: entry, as: connection, traffic)
        }
        do {
            let reservation = try self.swarm.limits.reserveStream(
                of: protocolID, from: entry.info.remotePeer, limit: handler.limits.inboundPerPeer)
            try await self.run(handler, stream, on: connection, executor: entry.connection.executor)
            try await stream.finish()
            _ = consume reservation
        } catch {
            let isTooMuch = self.isTooMuch(error, for: handler.limits, on: entry)
            self.reset(stream, Self.resetCode(for: error), on: entry, "a stream was reset", error)
            if isTooMuch { await self.sendAway(entry, for: protocolID) }
        }
    }

    /// The same where somebody observes. Never inlined, for the frame of those whom nobody does.
    @inline(never)
    private func serveObserved(
        _ served: ServedProtocol, _ stream: PeerStream, of protocolID: ProtocolID, on entry: ConnectionEntry, as connection: PeerConnection,
        _ traffic: ProtocolTrafficTable
    ) async {
        stream.muxed.count(for: traffic.traffic(of: protocolID), isServed: true)
        let observation = self.observers.begin(.serving(protocolID, on: entry.info))
        do {
            let reservation = try self.swarm.limits.reserveStream(
                of: protocolID, from: entry.info.remotePeer, limit: served.limits.inboundPerPeer)
            let executor = entry.connection.executor
            if let observation {
                try await observation.perform { try await self.run(served, stream, on: connection, executor: executor) }
            } else {
                try await self.run(served, stream, on: connection, executor: executor)
            }
            try await stream.finish()
            _ = consume reservation
            observation.end(.done)
        } catch {
            observation.end(.failed(error))
            let isTooMuch = self.isTooMuch(error, for: served.limits, on: entry)
            self.reset(stream, Self.resetCode(for: error), on: entry, "a stream was reset", error)
            if isTooMuch { await self.sendAway(entry, for: protocolID) }
        }
    }

    /// Counts what was refused: whoever is refused again and again does not stop by itself. Before the stream is reset, so
    /// that a peer that has seen the reset has been counted, however busy this side is.
    @inline(never)
    private func isTooMuch(_ error: any Error, for limits: StreamLimits, on entry: ConnectionEntry) -> Bool {
        guard let refusals = limits.refusals, error is LimitError || (error as? StreamError)?.code == .rateLimited else { return false }
        return !entry.toleratesRefusal(upTo: refusals, within: StreamLimits.refusalPeriod, at: self.swarm.clock.now())
    }

    @inline(never)
    private func sendAway(_ entry: ConnectionEntry, for protocolID: ProtocolID) async {
        guard entry.closingCode == nil else { return }
        self.logger.notice(
            "a peer had too many streams refused and is sent away",
            metadata: entry.info.logMetadata.merging(["protocol": "\(protocolID.name)"]) { $1 })
        self.swarm.retire(entry)
        await entry.close(.rateLimited, grace: .zero)
    }

    private func negotiate(_ stream: PeerStream, _ table: NegotiationTable, on entry: ConnectionEntry) async -> ProtocolID? {
        self.negotiations.insert(stream)
        defer { self.negotiations.remove(stream) }
        do throws(StreamError) {
            return try await stream.accept(table)
        } catch {
            let code: StreamErrorCode = error.code == .cancelled ? .cancelled : .protocolNegotiationFailed
            self.reset(stream, code, on: entry, "a stream was not agreed on", error)
            return nil
        }
    }

    /// Says that a peer's stream was refused, a line a second at most.
    @inline(never)
    func logRefusal(of protocolName: String?, on info: ConnectionInfo, _ reason: Logger.Metadata) {
        let now = self.swarm.clock.now()
        guard let suppressed = self.refusals.withLock({ $0.admit(at: now) }) else { return }
        var metadata = info.logMetadata.merging(reason) { $1 }
        metadata["protocol"] = "\(protocolName ?? "none")"
        if suppressed > 0 { metadata["more_like_it"] = "\(suppressed)" }
        self.logger.notice("a stream was refused", metadata: metadata)
    }

    /// Never inlined: the frame of a stream's task is kept small for every stream, and this is for the few that fail.
    @inline(never)
    private func reset(
        _ stream: PeerStream, _ code: StreamErrorCode, on entry: ConnectionEntry, _ what: Logger.Message, _ error: any Error
    ) {
        stream.reset(code)
        if let error = error as? LimitError {
            self.logRefusal(
                of: stream.protocolID?.name, on: entry.info,
                ["limit": "\(error.limit)", "value": "\(error.value)", "use": "\(error.use)", "scope": "\(error.scope)"])
        }
        self.logger.trace(
            what,
            metadata: [
                "protocol": "\(stream.protocolID?.name ?? "none")", "connection": "\(entry.info.id)", "error": "\(error)",
            ])
    }

    private func run(
        _ served: ServedProtocol, _ stream: PeerStream, on connection: PeerConnection, executor: (any TaskExecutor)?
    ) async throws {
        if let lifetime = served.limits.lifetime {
            try await self.run(served, stream, on: connection, executor: executor, for: lifetime)
        } else if served.placement == .connectionLoop {
            try await served.handler.handle(stream, on: connection)
        } else {
            try await withTaskExecutorPreference(self.swarm.clock.executor) {
                try await served.handler.handle(stream, on: connection)
            }
        }
    }

    /// Runs a handler and cancels it when its time is over. Never inlined, for the frame of those without a lifetime.
    @inline(never)
    private func run(
        _ served: ServedProtocol, _ stream: PeerStream, on connection: PeerConnection, executor: (any TaskExecutor)?,
        for lifetime: Duration
    ) async throws {
        let clock = self.swarm.clock
        let deadline = clock.now().advanced(by: lifetime)
        let executor = served.placement == .connectionLoop ? executor : clock.executor
        let isDone = try await clock.result(by: deadline, late: { _ in }) {
            try await withTaskExecutorPreference(executor) { try await served.handler.handle(stream, on: connection) }
            return true
        }
        if isDone == nil, !Task.isCancelled {
            throw StreamError(.timedOut, "the handler of \(stream.protocolID?.name ?? "the stream") took longer than \(lifetime)")
        }
    }

    /// The number that tells the peer why a handler failed.
    static func resetCode(for error: any Error) -> StreamErrorCode {
        switch error {
        case is LimitError: .resourceLimitExceeded
        case let error as StreamError:
            switch error.code {
            case .reset: error.resetCode ?? .cancelled
            case .malformed, .messageTooLarge, .unexpectedEnd: .protocolViolation
            case .resourceLimit, .timedOut: .resourceLimitExceeded
            case .rateLimited: .rateLimited
            case .protocolNotSupported, .negotiationFailed: .protocolNegotiationFailed
            default: .cancelled
            }
        default: .cancelled
        }
    }
}
