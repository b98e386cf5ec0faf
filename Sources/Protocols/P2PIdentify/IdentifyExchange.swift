import Logging
import NIOCore
import P2PCore
import P2PIdentity
import Synchronization

/// The exchange of introductions of one host: asks, answers and pushes.
final class IdentifyExchange: ConnectionGreeting {
    private let host: any HostAccess
    private let timeout: Duration
    private let ledger = Mutex(IntroductionLedger())
    /// How often what this node says of itself has changed.
    private let changes = Atomic<UInt64>(0)
    private let told = Mutex(ChangesTold())

    /// - Parameter host: knows what this node says about itself, and is told what peers say.
    init(_ host: any HostAccess, timeout: Duration = IdentifyLimits.timeout) {
        self.host = host
        self.timeout = timeout
    }

    /// What serves `/ipfs/id/1.0.0` and `/ipfs/id/push/1.0.0`.
    var handlers: [any ProtocolHandler] { [IdentifyProtocol(self), IdentifyPushProtocol(self)] }

    // MARK: Asking

    /// Asks the peer of a new connection who it is, and passes on what it says. A failure is logged and changes nothing.
    ///
    /// What this node says may change before the peer has said that it wants to hear of that: then it is told now.
    func greet(_ connection: PeerConnection) async {
        let changes = self.changes.load(ordering: .sequentiallyConsistent)
        defer { self.told.withLock { _ = $0.take(connection.id) } }
        let introduction: Introduction
        do throws(StreamError) {
            introduction = try await self.identify(connection.info)
        } catch {
            self.log(error, connection.info, "a peer did not introduce itself")
            return
        }
        await self.host.introductions.introduced(introduction, on: connection.info)
        // It may have asked before this began.
        let told = self.told.withLock { $0.take(connection.id) } ?? changes
        let isUpToDate = self.changes.load(ordering: .sequentiallyConsistent) == told
        guard !isUpToDate, introduction.protocols.contains(Identify.pushID) else { return }
        await self.push(to: connection.info)
    }

    /// Asks the peer of a connection who it is, and verifies the answer.
    func identify(_ connection: ConnectionInfo) async throws(StreamError) -> Introduction {
        try await self.withinTimeout { () throws(StreamError) in
            let stream = try await self.host.openStream(on: connection.id, protocols: [Identify.id])
            let introduction = try await self.receive(stream, on: connection)
            try? await stream.finish()
            return introduction
        }
    }

    /// Reads messages up to the half-close, and verifies what they say.
    func receive(_ stream: PeerStream, on connection: ConnectionInfo) async throws(StreamError) -> Introduction {
        var reader = IntroductionReader()
        while let message = try await stream.readMessage(upTo: IdentifyLimits.receivedMessageSize) { try reader.merge(message) }
        let peer = connection.remotePeer
        let reading = try reader.finish(from: peer, holding: connection.remoteKey)
        var introduction = reading.introduction
        if let record = reading.record {
            let isNewest = self.ledger.withLock { $0.admitRecord(of: peer, sequence: record.sequence, at: self.host.clock.now()) }
            if !isNewest {
                introduction.signedRecord = nil
                introduction.listenAddresses = reader.unsignedAddresses(of: peer)
                self.host.logger.debug("ignored a peer record that is older than the last", metadata: connection.logMetadata)
            }
        } else if let error = reading.recordError {
            self.host.logger.debug("ignored a peer record: \(error.code)", metadata: connection.logMetadata)
        }
        return introduction
    }

    // MARK: Answering

    func answer(_ connection: ConnectionInfo, over stream: PeerStream) async throws(StreamError) {
        let changes = self.changes.load(ordering: .sequentiallyConsistent)
        self.told.withLock { $0.told(connection.id, after: changes) }
        try await self.introduce(to: connection, over: stream)
    }

    private func introduce(to connection: ConnectionInfo, over stream: PeerStream) async throws(StreamError) {
        try await stream.write(IntroductionWriter.encode(await self.host.introductions.introduction(to: connection)))
    }

    // MARK: Pushing

    /// Tells the peers that serve push whenever what this node says about itself has changed. Runs until cancelled.
    func pushChanges() async {
        for await _ in self.host.introductions.introductionChanges {
            // Before it is looked who can be told: whoever can't yet looks here afterwards.
            self.changes.wrappingAdd(1, ordering: .sequentiallyConsistent)
            let connections = await self.host.introductions.connections(serving: Identify.pushID)
            await withTaskGroup(of: Void.self) { group in
                for (index, connection) in connections.enumerated() {
                    if index >= IdentifyLimits.concurrentPushes { await group.next() }
                    group.addTask { await self.push(to: connection) }
                }
            }
        }
    }

    private func push(to connection: ConnectionInfo) async {
        do throws(StreamError) {
            try await self.withinTimeout { () throws(StreamError) in
                let stream = try await self.host.openStream(on: connection.id, protocols: [Identify.pushID])
                try await self.introduce(to: connection, over: stream)
                try await stream.finish()
            }
        } catch {
            self.log(error, connection, "a peer could not be told what changed")
        }
    }

    /// Takes a push: fields that it leaves out stay what they were.
    func acceptPush(_ stream: PeerStream, on connection: ConnectionInfo) async throws(StreamError) {
        guard self.ledger.withLock({ $0.admitPush(from: connection.remotePeer, at: self.host.clock.now()) }) else {
            throw StreamError(.rateLimited, "the peer pushes more than every \(IdentifyLimits.pushInterval)")
        }
        var pushed = try await self.receive(stream, on: connection)
        if let known = await self.host.introductions.knownIntroduction(of: connection.remotePeer) { pushed.fillGaps(from: known) }
        await self.host.introductions.introduced(pushed, on: connection)
    }

    // MARK: Private

    private func log(_ error: StreamError, _ connection: ConnectionInfo, _ what: String) {
        guard error.code != .cancelled, error.code != .connectionLost else { return }
        self.host.logger.debug("\(what): \(error.code)", metadata: connection.logMetadata)
    }

    private func withinTimeout<Success: Sendable>(
        _ body: @escaping @Sendable () async throws(StreamError) -> Success
    ) async throws(StreamError) -> Success {
        try await StreamError.within(self.timeout, on: self.host.clock, "the exchange", body)
    }
}

extension Introduction {
    /// Takes over what a partial update leaves out.
    fileprivate mutating func fillGaps(from known: Introduction) {
        if self.publicKey == nil { self.publicKey = known.publicKey }
        if self.listenAddresses.isEmpty {
            self.listenAddresses = known.listenAddresses
            self.signedRecord = self.signedRecord ?? known.signedRecord
        }
        if self.protocols.isEmpty { self.protocols = known.protocols }
        if self.observedAddress == nil { self.observedAddress = known.observedAddress }
        if self.protocolVersion.isEmpty { self.protocolVersion = known.protocolVersion }
        if self.agentVersion.isEmpty { self.agentVersion = known.agentVersion }
    }
}
