import Logging
import P2PCore
import P2PNegotiation
import P2PSwarm
import Synchronization

extension PeerHost {
    /// Serves one stream that a peer opened, from its negotiation to its end.
    func serve(_ stream: PeerStream, on entry: ConnectionEntry) async {
        self.tasks.wrappingAdd(1, ordering: .relaxed)
        defer { self.tasks.wrappingSubtract(1, ordering: .relaxed) }
        let served = self.registry.served
        guard let protocolID = await self.negotiate(stream, on: entry, served: served), let handler = served[protocolID] else { return }
        do {
            let reservation = try self.swarm.limits.reserveStream(
                of: protocolID, from: entry.info.remotePeer, limit: handler.limits.inboundPerPeer)
            try await self.run(handler, stream, on: entry)
            try await stream.finish()
            _ = consume reservation
        } catch {
            stream.reset(Self.resetCode(for: error))
            self.logger.trace(
                "a stream was reset", metadata: ["protocol": "\(protocolID)", "connection": "\(entry.info.id)", "error": "\(error)"])
        }
    }

    private func negotiate(_ stream: PeerStream, on entry: ConnectionEntry, served: ServedProtocols) async -> ProtocolID? {
        self.negotiations.insert(stream)
        defer { self.negotiations.remove(stream) }
        do throws(StreamError) {
            return try await stream.accept(entry.info.isLimited ? served.limitedTable : served.table)
        } catch {
            stream.reset(error.code == .cancelled ? .cancelled : .protocolNegotiationFailed)
            self.logger.trace("a stream was not agreed on", metadata: ["connection": "\(entry.info.id)", "error": "\(error)"])
            return nil
        }
    }

    private func run(_ served: ServedProtocol, _ stream: PeerStream, on entry: ConnectionEntry) async throws {
        if let lifetime = served.limits.lifetime {
            try await self.run(served, stream, on: entry, for: lifetime)
        } else if served.placement == .connectionLoop {
            try await served.handler.handle(stream, on: entry.info)
        } else {
            try await withTaskExecutorPreference(globalConcurrentExecutor) {
                try await served.handler.handle(stream, on: entry.info)
            }
        }
    }

    /// Runs a handler and cancels it when its time is over.
    private func run(_ served: ServedProtocol, _ stream: PeerStream, on entry: ConnectionEntry, for lifetime: Duration) async throws {
        let clock = self.swarm.clock
        let deadline = clock.now().advanced(by: lifetime)
        let executor = served.placement == .connectionLoop ? entry.connection.executor : globalConcurrentExecutor
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask(executorPreference: executor) {
                try await served.handler.handle(stream, on: entry.info)
                return true
            }
            group.addTask {
                await clock.sleep(deadline)
                return false
            }
            defer { group.cancelAll() }
            guard try await group.next() == true else {
                throw StreamError(.timedOut, "the handler of \(stream.protocolID?.name ?? "the stream") took longer than \(lifetime)")
            }
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
            case .protocolNotSupported, .negotiationFailed: .protocolNegotiationFailed
            default: .cancelled
            }
        default: .cancelled
        }
    }
}
