import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PNegotiation

/// One channel on its way to a connection. Confined to the channel's event loop.
final class Upgrade {
    private let upgrader: Upgrader
    private let bytes: ByteChannel
    private var role: ConnectionRole
    private let isDialled: Bool?
    private let expected: PeerID?
    private let promise: EventLoopPromise<any MuxedConnection>
    private let onConnected: (@Sendable () -> Void)?
    private let observation: Observation?
    private var step: Observation?
    private var deadline: Scheduled<Void>?
    private var isOver = false

    init(
        _ upgrader: Upgrader, bytes: ByteChannel, role: ConnectionRole, isDialled: Bool?, expecting peer: PeerID?,
        promise: EventLoopPromise<any MuxedConnection>, onConnected: (@Sendable () -> Void)?, observation: Observation?
    ) {
        self.upgrader = upgrader
        self.bytes = bytes
        self.role = role
        self.isDialled = isDialled
        self.expected = peer
        self.promise = promise
        self.onConnected = onConnected
        self.observation = observation
    }

    private var channel: any Channel { self.bytes.channel }

    /// Prepares the channel, installs the first handlers and lets the channel read.
    func start(deadline: NIODeadline) {
        let upgrade = NIOLoopBound(self, eventLoop: self.channel.eventLoop)
        self.deadline = self.channel.eventLoop.scheduleTask(deadline: deadline) {
            upgrade.value.fail(
                TransportError(.timedOut, "the handshakes with \(upgrade.value.bytes.remoteAddress) were not done by their deadline"))
        }
        if !self.bytes.preparations.isEmpty { self.enter(.preparing) }
        do {
            if let progress = self.bytes.progress, progress.stage == .silent {
                try self.channel.pipeline.syncOperations.addHandler(FirstBytes(.heard, of: progress))
            }
            // Lets the transport make a channel of bytes first.
            self.channel.prepare(self.bytes.preparations[...]) { result in
                guard !self.isOver else { return }
                switch result {
                case .success: self.begin()
                case .failure(let error): self.fail(Self.transportError(error))
                }
            }
            // No read() of our own: on an accepted channel that is not active yet, NIO would take it for one under way.
            try self.channel.syncOptions?.setOption(.autoRead, value: true)
        } catch {
            self.fail(Self.transportError(error))
        }
    }

    private func begin() {
        self.onConnected?()
        if !self.bytes.preparations.isEmpty { self.show(.opened) }
        self.enter(.agreeingOnSecurity)
        do {
            try self.upgrader.protector?.protect(self.channel, role: self.role)
            if let patience = self.upgrader.arrivalRoles.patience(on: self.bytes.remoteAddress) {
                try self.meet(patience: TimeAmount(patience))
            } else {
                try self.agreeOnSecurity()
            }
        } catch {
            self.fail(Self.transportError(error))
        }
    }

    /// Both sides have dialled: the other one may take the roles the other way round.
    private func meet(patience: TimeAmount) throws {
        let handler = MeetingHandler(as: self.role, patience: patience) { outcome in
            do {
                let (role, hasSaidHeader) = try outcome.get()
                self.role = role
                try self.agreeOnSecurity(hasSaidHeader: hasSaidHeader)
            } catch {
                self.failNegotiation(error)
            }
        }
        try self.channel.pipeline.syncOperations.addHandler(handler)
    }

    private func agreeOnSecurity(hasSaidHeader: Bool = false) throws {
        try self.negotiate(self.upgrader.security.map(\.protocolID), lazily: true, hasSaidHeader: hasSaidHeader) { protocolID in
            try self.secure(with: protocolID)
        }
    }

    private func negotiate(
        _ protocols: [ProtocolID], lazily: Bool, hasSaidHeader: Bool = false, then next: @escaping (ProtocolID) throws -> Void
    ) throws {
        if let objection = NegotiationTable.objection(to: protocols) {
            throw TransportError(.invalidConfiguration, objection.message, cause: objection)
        }
        let onVerdict: (Result<ProtocolID, NegotiationError>) -> Void = { verdict in
            switch verdict {
            case .success(let protocolID):
                do { try next(protocolID) } catch { self.fail(Self.transportError(error)) }
            case .failure(let error): self.failNegotiation(error)
            }
        }
        let handler =
            switch self.role {
            case .dialer:
                NegotiationHandler(proposing: protocols, lazily: lazily, hasSaidHeader: hasSaidHeader, onVerdict: onVerdict)
            case .listener: NegotiationHandler(accepting: protocols, hasSaidHeader: hasSaidHeader, onVerdict: onVerdict)
            }
        try self.channel.pipeline.syncOperations.addHandler(handler)
    }

    private func failNegotiation(_ error: any Error) {
        guard let error = error as? NegotiationError else { return self.fail(Self.transportError(error)) }
        // What the protector reports goes through here, and is no failure of the negotiation.
        self.fail(
            error.cause as? TransportError
                ?? TransportError(.negotiationFailed, "\(self.bytes.remoteAddress): \(error.message)", cause: error))
    }

    private func secure(with protocolID: ProtocolID) throws {
        guard !self.isOver, let security = self.upgrader.security.first(where: { $0.protocolID == protocolID }) else { return }
        self.enter(.securing(protocolID))
        if let progress = self.bytes.progress {
            self.show(.negotiated)
            try self.channel.pipeline.syncOperations.addHandler(FirstBytes(.handshaking, of: progress))
        }
        let promise = self.channel.eventLoop.makePromise(of: SecuredChannel.self)
        promise.futureResult.assumeIsolated().whenComplete { result in
            do {
                try self.secured(try result.get(), by: protocolID)
            } catch {
                self.fail(Self.transportError(error))
            }
        }
        let early = self.upgrader.negotiatesMuxersEarly ? self.upgrader.muxers.map(\.protocolID) : []
        security.secure(self.channel, role: self.role, expecting: self.expected, muxers: early, promise: promise)
    }

    private func secured(_ secured: SecuredChannel, by security: ProtocolID) throws {
        guard !self.isOver else { return }
        if let early = secured.earlyMuxer {
            try self.multiplex(secured, security: security, muxer: early)
            return
        }
        self.enter(.agreeingOnMuxer)
        try self.negotiate(self.upgrader.muxers.map(\.protocolID), lazily: false) { muxer in
            try self.multiplex(secured, security: security, muxer: muxer)
        }
    }

    private func multiplex(_ secured: SecuredChannel, security: ProtocolID, muxer protocolID: ProtocolID) throws {
        guard !self.isOver else { return }
        guard let muxer = self.upgrader.muxers.first(where: { $0.protocolID == protocolID }) else {
            throw TransportError(.negotiationFailed, "the peer chose the muxer \(protocolID), which was not offered")
        }
        let info = ConnectionInfo(
            role: self.role, localPeer: self.upgrader.localPeer, remotePeer: secured.remotePeer, remoteKey: secured.remoteKey,
            localAddress: self.bytes.localAddress, remoteAddress: self.bytes.remoteAddress, security: security, muxer: protocolID,
            wasMuxerEarly: secured.earlyMuxer != nil, appMetadata: secured.appMetadata, isLimited: self.bytes.isLimited,
            isDialled: self.isDialled)
        let context = MuxerContext(
            executor: self.upgrader.executors.executor(for: self.channel.eventLoop), windowBudget: self.upgrader.windowBudget)
        let connection = try muxer.multiplex(self.channel, records: secured.records, info: info, context: context)
        self.isOver = true
        self.deadline?.cancel()
        self.step.end(.done)
        self.promise.succeed(connection)
    }

    /// The next step begins, where somebody observes.
    private func enter(_ step: UpgradeStep) {
        guard let observation = self.observation else { return }
        self.step.end(.done)
        self.step = observation.begin(.step(step))
    }

    /// Tells how far an arrival has come.
    private func show(_ stage: ArrivalProgress.Stage) { self.bytes.progress?.advance(to: stage, at: self.channel.eventLoop.now) }

    /// Ends the upgrade and closes the channel; only the first reason counts.
    func fail(_ error: TransportError) {
        guard !self.isOver else { return }
        self.isOver = true
        self.deadline?.cancel()
        self.step.end(.failed(error))
        self.promise.fail(error)
        self.channel.close(promise: nil)
    }

    static func transportError(_ error: any Error) -> TransportError {
        if let error = error as? TransportError { return error }
        if error as? ChannelError == .ioOnClosedChannel {
            return TransportError(.closed, "the peer left during the handshakes", cause: error)
        }
        return TransportError(.securityFailed, "the handshakes failed", cause: error)
    }
}
