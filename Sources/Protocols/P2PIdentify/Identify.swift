public import Logging
import NIOCore
public import P2PCore
import P2PIdentity
import Synchronization

/// Identify and identify push: peers tell each other who they are, where they listen and what they serve (identify spec).
///
/// One object for a host: register ``handlers``, greet every new connection with it, and keep ``pushChanges(opening:)`` running.
public final class Identify: ConnectionGreeting {
    /// `/ipfs/id/1.0.0`.
    public static let id: ProtocolID = "/ipfs/id/1.0.0"
    /// `/ipfs/id/push/1.0.0`.
    public static let pushID: ProtocolID = "/ipfs/id/push/1.0.0"

    private let introducing: any PeerIntroducing
    private let logger: Logger
    private let timeout: Duration
    private let ledger = Mutex(IntroductionLedger())

    /// - Parameters:
    ///   - introducing: knows what this node says about itself, and is told what peers say.
    ///   - logger: is told why an exchange failed.
    public convenience init(introducing: any PeerIntroducing, logger: Logger = Logger(label: "p2p.identify")) {
        self.init(introducing: introducing, logger: logger, timeout: IdentifyLimits.timeout)
    }

    init(introducing: any PeerIntroducing, logger: Logger, timeout: Duration) {
        self.introducing = introducing
        self.logger = logger
        self.timeout = timeout
    }

    /// What serves `/ipfs/id/1.0.0` and `/ipfs/id/push/1.0.0`.
    public var handlers: [any ProtocolHandler] { [IdentifyProtocol(self), IdentifyPushProtocol(self)] }

    // MARK: Asking

    /// Asks the peer of a new connection who it is, and passes on what it says. A failure is logged and changes nothing.
    public func greet(_ connection: ConnectionInfo, opening streams: any StreamOpening) async {
        do throws(StreamError) {
            let introduction = try await self.identify(connection, opening: streams)
            await self.introducing.introduced(introduction, on: connection)
        } catch {
            self.log(error, connection, "a peer did not introduce itself")
        }
    }

    /// Asks the peer of a connection who it is, and verifies the answer.
    ///
    /// - Throws: ``StreamError/Code/timedOut`` after ``IdentifyLimits/timeout``; ``StreamError/Code/wrongKey``;
    ///   ``StreamError/Code/messageTooLarge``; ``StreamError/Code/malformed``; or what opening or reading the stream throws.
    public func identify(_ connection: ConnectionInfo, opening streams: any StreamOpening) async throws(StreamError) -> Introduction {
        try await self.withinTimeout { () throws(StreamError) in
            let stream = try await streams.openStream(on: connection.id, protocols: [Self.id])
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
            let isNewest = self.ledger.withLock { $0.admitRecord(of: peer, sequence: record.sequence, at: .now()) }
            if !isNewest {
                introduction.signedRecord = nil
                introduction.listenAddresses = reader.unsignedAddresses(of: peer)
                self.logger.debug("ignored a peer record that is older than the last", metadata: ["peer": "\(peer)"])
            }
        } else if let error = reading.recordError {
            self.logger.debug("ignored a peer record: \(error.code)", metadata: ["peer": "\(peer)"])
        }
        return introduction
    }

    // MARK: Answering

    func introduce(to connection: ConnectionInfo, over stream: PeerStream) async throws(StreamError) {
        try await stream.write(IntroductionWriter.encode(await self.introducing.introduction(to: connection)))
    }

    // MARK: Pushing

    /// Tells the peers that serve push whenever what this node says about itself has changed. Runs until cancelled.
    public func pushChanges(opening streams: any StreamOpening) async {
        for await _ in self.introducing.introductionChanges {
            let connections = await self.introducing.connections(serving: Self.pushID)
            await withTaskGroup(of: Void.self) { group in
                for (index, connection) in connections.enumerated() {
                    if index >= IdentifyLimits.concurrentPushes { await group.next() }
                    group.addTask { await self.push(to: connection, opening: streams) }
                }
            }
        }
    }

    private func push(to connection: ConnectionInfo, opening streams: any StreamOpening) async {
        do throws(StreamError) {
            try await self.withinTimeout { () throws(StreamError) in
                let stream = try await streams.openStream(on: connection.id, protocols: [Self.pushID])
                try await self.introduce(to: connection, over: stream)
                try await stream.finish()
            }
        } catch {
            self.log(error, connection, "a peer could not be told what changed")
        }
    }

    /// Takes a push: fields that it leaves out stay what they were.
    func acceptPush(_ stream: PeerStream, on connection: ConnectionInfo) async throws(StreamError) {
        guard self.ledger.withLock({ $0.admitPush(from: connection.remotePeer, at: .now()) }) else {
            stream.reset(.rateLimited)
            throw StreamError(.rateLimited, "the peer pushes more than every \(IdentifyLimits.pushInterval)")
        }
        var pushed = try await self.receive(stream, on: connection)
        if let known = await self.introducing.knownIntroduction(of: connection.remotePeer) { pushed.fillGaps(from: known) }
        await self.introducing.introduced(pushed, on: connection)
    }

    // MARK: Private

    private func log(_ error: StreamError, _ connection: ConnectionInfo, _ what: String) {
        guard error.code != .cancelled, error.code != .connectionLost else { return }
        self.logger.debug("\(what): \(error.code)", metadata: ["peer": "\(connection.remotePeer)"])
    }

    private func withinTimeout<Success: Sendable>(
        _ body: @escaping @Sendable () async throws(StreamError) -> Success
    ) async throws(StreamError) -> Success {
        let outcome: Success?
        do {
            outcome = try await withDeadline(.now() + TimeAmount(self.timeout), body)
        } catch let error as StreamError {
            throw error
        } catch {
            throw StreamError(.cancelled, "the task was cancelled", cause: error)
        }
        guard let outcome else { throw StreamError(.timedOut, "the peer took longer than \(self.timeout)") }
        return outcome
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
