#if QUIC
    import CNgtcp2Shim
    import Logging
    import NIOCore
    import P2PCertificate
    import P2PCore
    import P2PIdentity
    import P2PMuxing

    /// Runs one connection of the library between a socket and the streams of a ``MuxerConnection``. Confined to the event loop.
    ///
    /// The library calls back while it reads a packet; what a callback asks for that the library must not hear of at that moment
    /// is noted, and done when the packet has been read.
    final class QUICSession: QUICReceiver, MuxerHandler {
        enum Phase { case handshaking, running, over }

        let endpoint: QUICEndpoint
        let role: ConnectionRole
        let expected: PeerID?
        let ready: EventLoopPromise<MuxerConnection>
        /// Where we send from: a server answers from where it was asked at.
        var local: quic_address
        var remote: quic_address
        private(set) var phase = Phase.handshaking
        private(set) var connection: MuxerConnection?
        /// That the connection is over.
        private var closed: EventLoopPromise<Void>?
        /// The library's connection, until this one is over.
        var native: OpaquePointer?
        private let bell = QUICBell()
        private var alarm = MuxerAlarm()
        /// The moment of the endpoint's wheel in which it is woken.
        private var moment: UInt64?
        /// What the library holds beyond ``ordinaryMemory``, as far as it was counted.
        private var countedMemory = 0
        /// What it holds for a connection that gets its packets in order, in whole cells: a handshake has up to 160 KiB of them, a quiet connection
        /// 104, of which few bytes are in use.
        private static let ordinaryMemory = 160 * 1_024
        /// In such steps it is counted, so that a burst seldom changes anything.
        private static let memoryStep = 32 * 1_024
        private var liveness: QUICLiveness
        /// Something has come from the peer.
        private(set) var isAnswered = false
        /// Is called when that happens.
        var onAnswer: (@Sendable () -> Void)?
        private var wasAnnounced = false
        var isTouched = false

        private var ids: Set<QUICConnectionID> = []
        private var tokens: Set<QUICResetToken> = []
        private var peer: CertifiedPeer?
        private var refusal: TransportError?
        /// The TLS session refers to it.
        private var certificate: QUICCertificate?
        /// Why the connection is to end once the packet has been read.
        var offence: (error: ConnectionError, code: ConnectionErrorCode)?
        var resets: OffenceCounter
        var pace = QUICRest.Pace()
        /// Where what happens is written; nil for nowhere.
        private(set) var qlog: QLogFile?
        /// How large packets may be.
        var pathSize = QUICPathSize()
        /// Bursts of the handshake that the system did not send.
        var failedSends = 0
        /// When the last loss that was seen made this side send more slowly, and how often that was so.
        private var congestion: (last: UInt64, count: UInt64) = (.max, 0)
        /// Addresses of the peer that were proved after it had moved.
        var validatedPaths = 0

        // MARK: Streams

        // While one of these values changes, it calls nobody who would touch it (Specs/Architecture.md, "The data path").
        @exclusivity(unchecked) var streams = StreamTable<Int64, QUICStreamState>()
        /// Streams to reset when the packet has been read.
        var refused: [(id: Int64, code: StreamErrorCode)] = []
        @exclusivity(unchecked) var news = MuxerNews()
        /// Bytes of one stream that arrived in this burst and are not handed on yet.
        var inbound: (stream: QUICStreamState, bytes: ByteBuffer)?
        var isBulk = false
        @exclusivity(unchecked) var threshold: QUICCreditThreshold
        @exclusivity(unchecked) var window: QUICConnectionWindow
        /// Why the connection is to end when its last stream has, and whether it was this side that said goodbye.
        var farewell: (error: ConnectionError, isOurs: Bool, code: ConnectionErrorCode)?

        init(
            endpoint: QUICEndpoint, role: ConnectionRole, expecting peer: PeerID?, local: quic_address, remote: quic_address,
            ready: EventLoopPromise<MuxerConnection>
        ) {
            self.endpoint = endpoint
            self.role = role
            self.expected = peer
            self.local = local
            self.remote = remote
            self.ready = ready
            let (configuration, now) = (endpoint.configuration, NIODeadline.now())
            self.liveness = QUICLiveness(QUICLiveness.Settings(configuration), at: now)
            self.threshold = QUICCreditThreshold(configuration)
            self.window = QUICConnectionWindow(initial: configuration.initialWindow, maximum: configuration.maximumWindow, now: now)
            self.resets = OffenceCounter(maximum: configuration.maximumResets, period: TimeAmount(configuration.resetPeriod), now: now)
            self.bell.session = self
        }

        var isRunning: Bool { self.phase == .running }
        private var now: NIODeadline { .now() }

        // MARK: Beginning

        /// Makes the library's connection; false when it can't be.
        func start(_ options: inout quic_options, local id: QUICConnectionID) -> Bool {
            let configuration = self.endpoint.configuration
            options.version = QUICPacketHeader.version1
            options.is_server = self.role == .listener
            options.local = quic_cid(id)
            options.local_address = self.local
            options.remote_address = self.remote
            options.stream_window = configuration.initialStreamWindow
            options.maximum_stream_window = configuration.maximumStreamWindow
            options.window = configuration.initialWindow
            options.streams = UInt64(clamping: configuration.maximumInboundStreams)
            options.idle_timeout = UInt64(clamping: TimeAmount(configuration.idleTimeout).nanoseconds)
            options.handshake_timeout = UInt64(clamping: TimeAmount(configuration.handshakeTimeout).nanoseconds)
            options.keep_alive = UInt64(clamping: self.liveness.interval?.nanoseconds ?? 0)
            options.congestion = configuration.congestionControl == .bbr ? QUIC_CONGESTION_BBR : QUIC_CONGESTION_CUBIC
            options.is_logged = self.endpoint.logger.logLevel == .trace
            if let directory = configuration.qlog {
                let first = self.role == .dialer ? options.remote : options.original
                self.qlog = directory.open(QLogDirectory.name(of: QUICConnectionID(first)?.bytes ?? [], isClient: self.role == .dialer))
                options.is_qlogged = self.qlog != nil
            }
            options.now = self.now.quicTime
            if let token = self.endpoint.credentials.resetToken(of: id) {
                withUnsafeMutableBytes(of: &options.reset_token) { $0.copyBytes(from: token) }
            }
            var handlers = Self.handlers
            let owner = Unmanaged.passUnretained(self).toOpaque()
            let certificate = self.endpoint.credentials.certificate
            self.certificate = certificate
            self.native = quic_connection_new(&options, certificate.pointer, &handlers, owner)
            guard self.native != nil else { return false }
            self.add(id)
            self.endpoint.woke(self)
            return true
        }

        /// Another name for the connection.
        func add(_ id: QUICConnectionID) {
            self.ids.insert(id)
            self.endpoint.state.router.add(id, to: self)
        }

        // MARK: What arrives

        func received(_ datagram: QUICDatagram) {
            guard let native = self.native, self.phase != .over else { return }
            if !self.isAnswered {
                self.isAnswered = true
                self.onAnswer?()
                self.onAnswer = nil
            }
            self.endpoint.touch(self)
            self.liveness.heard(at: datagram.now)
            // A client's own address is what it was when it dialled, whatever the packet says that was sent to a wildcard.
            let local = self.role == .dialer ? self.local : datagram.local
            let result = withUnsafePointer(to: local) { local in
                withUnsafePointer(to: datagram.remote) { remote in
                    quic_connection_read(
                        native, local, remote, datagram.ecn, datagram.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                        datagram.bytes.count, datagram.now.quicTime)
                }
            }
            self.afterCallbacks()
            self.handle(result)
        }

        /// What comes from now on answers what this side is about to say.
        func expectAnswer() { self.isAnswered = false }

        func receivedReset() {
            self.end(ConnectionError(.lost, "\(self.name): the peer was started again, or has lost the connection"))
        }

        /// Does what callbacks have asked for.
        func afterCallbacks() {
            if self.phase == .running, !self.wasAnnounced, let connection = self.connection {
                self.wasAnnounced = true
                self.endpoint.handshakeEnded()
                self.agreeOnIdleTime()
                self.ready.succeed(connection)
            }
            guard let native = self.native else { return }
            for (id, code) in self.refused {
                self.streams[id]?.hasStopped = true
                quic_connection_reset(native, id, UInt64(code.rawValue))
                quic_connection_stop(native, id, UInt64(code.rawValue))
            }
            self.refused.removeAll(keepingCapacity: true)
            if let (error, code) = self.offence.take() { self.end(error, saying: .application(code)) }
        }

        /// The end of a burst: hands on what came in it.
        func burstEnded() {
            self.flushInbound()
            self.countLibrary()
        }

        /// Tells the account what the library keeps: above all packets that wait for those before them.
        private func countLibrary() {
            guard let native = self.native, let connection = self.connection else { return }
            let held = max(0, Int(clamping: quic_connection_held(native)) - Self.ordinaryMemory) / Self.memoryStep * Self.memoryStep
            guard held != self.countedMemory else { return }
            connection.account.change(by: held - self.countedMemory)
            self.countedMemory = held
        }

        private func handle(_ result: quic_result) {
            switch result {
            case QUIC_OK: break
            case QUIC_DRAINING, QUIC_CLOSING: self.peerClosed()
            case QUIC_IDLE:
                self.end(ConnectionError(.keepAliveTimedOut, "\(self.name): nothing came for \(self.endpoint.configuration.idleTimeout)"))
            case QUIC_HANDSHAKE_TIMEOUT:
                self.fail(
                    TransportError(
                        .timedOut, "\(self.name): the handshake took longer than \(self.endpoint.configuration.handshakeTimeout)"))
            case QUIC_DROP: self.end(ConnectionError(.lost, "\(self.name): the peer made no sense"))
            default: self.libraryFailed(result)
            }
        }

        private func libraryFailed(_ result: quic_result) {
            guard let native = self.native else { return }
            let text = String(cString: quic_connection_failure(native))
            switch result {
            case QUIC_CRYPTO:
                self.fail(self.refusal ?? self.handshakeError(alert: quic_connection_alert(native)), saying: .transport)
            case QUIC_VERSION: self.fail(TransportError(.negotiationFailed, "\(self.name): the peer does not speak QUIC version 1"))
            default:
                self.end(
                    ConnectionError(.protocolViolation, "\(self.name) broke the rules of QUIC, or they could not be kept: \(text)"),
                    saying: .transport)
            }
        }

        /// Our own TLS library has refused what the peer said.
        private func handshakeError(alert: UInt8) -> TransportError {
            guard alert == QUICPeerClose.noApplicationProtocol else {
                return TransportError(.securityFailed, "\(self.name): the TLS handshake failed with alert \(alert)")
            }
            return TransportError(.negotiationFailed, "\(self.name): the peer agrees to no application protocol that is spoken here")
        }

        private func peerClosed() {
            guard let native = self.native else { return }
            var isApplication = false
            var reason = [CChar](repeating: 0, count: 129)
            let code = quic_connection_peer_code(native, &isApplication, &reason, reason.count)
            let text = reason.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
            let ending = QUICPeerClose(code: code, isApplication: isApplication, reason: text)
            if self.phase == .handshaking {
                self.fail(TransportError(ending.transportCode, "\(self.name): \(ending)"))
            } else {
                let isOurs = self.farewell?.isOurs ?? false
                let error = isOurs ? self.farewell?.error : nil
                self.end(error ?? ConnectionError(.closedByPeer, "\(self.name): \(ending)"), isOurs: isOurs)
            }
        }

        // MARK: Time

        func tick() {
            self.alarm.rang()
            self.look()
        }

        /// The wheel has come to a moment.
        func tick(at moment: UInt64) {
            guard moment == self.moment else { return }
            self.moment = nil
            self.look()
        }

        private func look() {
            guard let native = self.native, self.phase != .over else { return }
            let now = self.now
            if self.isRunning, self.liveness.isDead(at: now) {
                return self.end(ConnectionError(.keepAliveTimedOut, "\(self.name) did not answer"))
            }
            self.calmDown(at: now)
            let isDue = quic_connection_expiry(native) <= now.quicTime
            guard isDue || !quic_connection_is_resting(native) else { return self.rearm(at: now) }
            if isDue {
                let result = quic_connection_expire(native, now.quicTime)
                self.measurePath(native)
                self.afterCallbacks()
                self.handle(result)
            }
            self.drain(at: now)
        }

        /// Notes what the path is like: when a timer has come, for then the library's connection is awake, and traffic costs nothing.
        private func measurePath(_ native: OpaquePointer) {
            guard let connection = self.connection else { return }
            var (roundTrip, last): (UInt64, UInt64) = (0, .max)
            let isTold = quic_connection_path_state(native, &roundTrip, &last)
            if last != self.congestion.last { self.congestion = (last, self.congestion.count + (last == .max ? 0 : 1)) }
            connection.measured(
                roundTrip: .nanoseconds(Int64(clamping: roundTrip)), congestionEvents: isTold ? self.congestion.count : nil)
        }

        /// Sees to it that somebody looks when it is due, if not before; what is far away need not be exact.
        func rearm(at now: NIODeadline) {
            guard let native = self.native, self.phase != .over else { return }
            var deadline = NIODeadline(quicTime: quic_connection_expiry(native))
            if self.isRunning, let end = self.liveness.deadline { deadline = min(deadline ?? end, end) }
            guard let deadline else { return }
            guard deadline - now > QUICWheel<QUICBell>.threshold else {
                return self.alarm.set(deadline, on: self.endpoint.eventLoop, waking: self.bell)
            }
            let moment = QUICWheel<QUICBell>.moment(for: deadline)
            if let earlier = self.moment, earlier <= moment { return }
            self.moment = moment
            self.endpoint.wake(self.bell, at: moment)
        }

        // MARK: Whether the peer lives

        private func agreeOnIdleTime() {
            guard let native = self.native else { return }
            let idle = quic_connection_peer_idle_timeout(native)
            self.liveness.agreed(
                peerIdle: idle > 0 ? .nanoseconds(Int64(clamping: idle)) : nil, as: self.role)
            self.askAccordingly()
        }

        private func askAccordingly() {
            guard let native = self.native else { return }
            quic_connection_keep_alive(native, UInt64(clamping: self.liveness.interval?.nanoseconds ?? 0))
        }

        /// Whether it asks as often as for somebody who waits.
        var isWaitingForPeer: Bool { self.liveness.isBusy }

        /// Where streams are, somebody may be waiting for the peer.
        func noteWork(at now: NIODeadline) {
            guard self.isRunning, !self.streams.isEmpty, self.liveness.set(isBusy: true, at: now) else { return }
            self.askAccordingly()
        }

        /// Without streams nobody waits for the peer. Noticed when it is quiet anyway: one stream after the other is no rest.
        func calmDown(at now: NIODeadline) {
            guard self.isRunning, self.streams.isEmpty, self.liveness.set(isBusy: false, at: now) else { return }
            self.askAccordingly()
        }

        // MARK: The end

        /// What the peer is told.
        enum Goodbye {
            case nothing
            case application(ConnectionErrorCode)
            /// The reason for which the library failed; none when it did not.
            case transport
        }

        /// The handshake came to nothing.
        func fail(_ error: TransportError, saying goodbye: Goodbye = .nothing) {
            if self.phase == .handshaking {
                self.finish(saying: goodbye)
                self.endpoint.handshakeEnded()
                self.ready.fail(error)
            } else {
                self.end(ConnectionError(.lost, error.message, cause: error), saying: goodbye)
            }
        }

        /// The connection is over. Only the first reason counts.
        func end(_ reason: ConnectionError, isOurs: Bool = false, saying goodbye: Goodbye = .nothing) {
            guard self.phase != .over else { return }
            guard self.phase == .running, let connection = self.connection else {
                return self.fail(TransportError(.closed, reason.message, cause: reason), saying: goodbye)
            }
            self.flushInbound()
            self.finish(saying: goodbye)
            if !self.wasAnnounced {
                self.wasAnnounced = true
                self.endpoint.handshakeEnded()
                self.ready.fail(TransportError(.closed, reason.message, cause: reason))
            }
            connection.handler = nil
            let streams = self.streams.removeAll()
            for stream in streams { self.countRetained(of: stream, isOver: true) }
            connection.end(reason, isOurs: isOurs, streams: streams.map(\.muxed))
            self.closed.take()?.succeed()
        }

        /// Says goodbye, forgets the library's connection, and leaves somebody behind who answers late packets.
        private func finish(saying goodbye: Goodbye) {
            guard let native = self.native else { return }
            let wasRunning = self.isRunning
            self.phase = .over
            self.alarm.cancel()
            self.moment = nil
            let linger = TimeAmount.nanoseconds(Int64(clamping: quic_connection_probe_timeout(native))) * 3
            var packet: QUICClosing.Packet?
            switch goodbye {
            case .nothing: break
            case .application(let code): packet = self.endpoint.close(native, isApplication: true, code: UInt64(code.rawValue))
            case .transport: packet = self.endpoint.close(native, isApplication: false, code: 0)
            }
            for token in self.tokens { self.endpoint.state.router.remove(token) }
            // A handshake that ends without a word may be anybody's who forges packets: nothing of it stays.
            let closing = wasRunning || packet != nil ? QUICClosing(packet: packet, endpoint: self.endpoint) : nil
            self.endpoint.retire(ids: self.ids, leaving: closing, for: linger)
            self.native = nil
            quic_connection_free(native)
            self.certificate = nil
            self.endpoint.windowBudget?.release(Int(clamping: self.window.growth))
        }

        // MARK: Callbacks

        /// For people.
        var name: String {
            self.connection.map { "\($0.info)" } ?? "the QUIC handshake \(self.role == .dialer ? "with" : "from") \(self.remote.multiaddr)"
        }

        func examine(_ certificate: UnsafeRawBufferPointer, count: Int) -> Bool {
            do throws(TransportError) {
                self.peer = try self.endpoint.credentials.identity.examine(Array(certificate), count: count, expecting: self.expected)
                return true
            } catch {
                self.refusal = error
                return false
            }
        }

        func completed() {
            guard let peer = self.peer, self.phase == .handshaking else { return }
            let info = ConnectionInfo(
                role: self.role, localPeer: self.endpoint.credentials.identity.peer, remotePeer: peer.peer, remoteKey: peer.key,
                localAddress: self.local.multiaddr, remoteAddress: self.remote.multiaddr, security: QUICTransport.security,
                muxer: QUICTransport.muxer, wasMuxerEarly: true, appMetadata: peer.metadata)
            let closed = self.endpoint.eventLoop.makePromise(of: Void.self)
            let connection = MuxerConnection(
                info: info, closed: closed.futureResult, executor: self.endpoint.executor,
                limits: self.endpoint.configuration.muxerLimits,
                account: (self.endpoint.windowBudget ?? MemoryBudget(limit: .max)).account(for: info))
            connection.handler = self
            self.closed = closed
            // Whoever is told of it finds the session at work: a signal needs no wake-up.
            connection.expectWork()
            self.connection = connection
            self.phase = .running
        }

        func newID() -> (QUICConnectionID, token: [UInt8])? {
            let id = QUICConnectionID.random()
            guard let token = self.endpoint.credentials.resetToken(of: id) else { return nil }
            self.add(id)
            return (id, token)
        }

        func retire(_ id: QUICConnectionID) {
            self.ids.remove(id)
            self.endpoint.state.router.remove(id)
        }

        func peerToken(_ token: QUICResetToken, isActive: Bool) {
            if isActive {
                self.tokens.insert(token)
                self.endpoint.state.router.add(token, to: self)
            } else {
                self.tokens.remove(token)
                self.endpoint.state.router.remove(token)
            }
        }
    }

    /// Wakes a session. The loop wants something that may be sent between threads.
    final class QUICBell: NIOScheduledCallbackHandler, Sendable {
        /// Confined to the event loop.
        nonisolated(unsafe) weak var session: QUICSession?

        func handleScheduledCallback(eventLoop: some EventLoop) {
            self.session?.tick()
        }

        /// The wheel's.
        func ring(at moment: UInt64) {
            self.session?.tick(at: moment)
        }
    }
#endif
