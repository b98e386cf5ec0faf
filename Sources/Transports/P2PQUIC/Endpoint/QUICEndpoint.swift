#if QUIC
    import CNgtcp2Shim
    import Logging
    import NIOCore
    import NIOPosix
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr

    /// One UDP socket and every connection over it, dialled or accepted. Confined to its event loop, but for what says otherwise.
    final class QUICEndpoint: Sendable {
        /// Connections that are over and for which somebody still answers; those beyond are forgotten at once.
        static let maximumLingering = 1_024
        /// How long a socket without room is left alone.
        static let pause = TimeAmount.milliseconds(1)

        let eventLoop: any EventLoop
        let executor: EventLoopTaskExecutor
        let credentials: QUICCredentials
        let configuration: QUICConfiguration
        let windowBudget: MemoryBudget?
        /// The real address; the port is never 0.
        let address: quic_address
        /// Whether it listens on every address of this machine.
        let isWildcard: Bool
        let channel: any Channel
        let logger: Logger

        nonisolated(unsafe) var router: QUICRouter<any QUICReceiver>
        nonisolated(unsafe) var sender: QUICSender
        private nonisolated(unsafe) var admission: QUICAdmission
        /// Where arrivals go; nil when nobody listens.
        private nonisolated(unsafe) var arrivals: Inbox<QUICArrival, Never>?
        private nonisolated(unsafe) var touched: [QUICSession] = []
        private nonisolated(unsafe) var waitingForRoom: [QUICSession] = []
        private nonisolated(unsafe) var isPaused = false
        /// Nil when connections never rest.
        private nonisolated(unsafe) var rest: QUICRest?
        /// Connections, arrivals and what is left of them.
        private nonisolated(unsafe) var tenants = 0
        /// Connections that are over and for which somebody still answers.
        private nonisolated(unsafe) var lingering = 0
        /// Connections and arrivals that are not over.
        private nonisolated(unsafe) var living = 0
        private nonisolated(unsafe) var isClosed = false

        /// Binds the address and hands the socket to an event loop. From any thread.
        static func make(
            _ address: quic_address, arrivals: Inbox<QUICArrival, Never>?, eventLoop: any EventLoop, executor: EventLoopTaskExecutor,
            credentials: QUICCredentials, configuration: QUICConfiguration, windowBudget: MemoryBudget?, logger: Logger
        ) async throws -> QUICEndpoint {
            var descriptor: CInt = -1
            var bound = quic_address()
            let code = withUnsafePointer(to: address) { quic_socket_open($0, &descriptor, &bound) }
            guard code == 0 else { throw QUICErrno(code: code) }
            let isOffloading = configuration.usesOffload && System.supportsUDPReceiveOffload
            let bootstrap = DatagramBootstrap(group: eventLoop)
                .channelOption(.datagramVectorReadMessageCount, value: QUICReadHandler.datagrams)
                .channelOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: QUICReadHandler.capacity(isOffloading: isOffloading))
                )
                .channelOption(.explicitCongestionNotification, value: true)
                .channelOption(.receivePacketInfo, value: true)
            let channel: any Channel
            do {
                channel = try await bootstrap.withBoundSocket(descriptor).get()
            } catch {
                quic_socket_close(descriptor)
                throw error
            }
            if isOffloading {
                // Without it, datagrams come one at a time.
                try? await channel.setOption(.datagramReceiveOffload, value: true).get()
                try? await channel.setOption(.datagramReceiveSegmentSize, value: true).get()
            }
            let endpoint = QUICEndpoint(
                channel: channel, descriptor: descriptor, address: bound, arrivals: arrivals, executor: executor,
                credentials: credentials, configuration: configuration, windowBudget: windowBudget, logger: logger)
            try await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.addHandler(QUICReadHandler(endpoint))
            }.get()
            return endpoint
        }

        /// Around a socket that is bound; ``make(_:arrivals:eventLoop:executor:credentials:configuration:windowBudget:logger:)`` binds one.
        init(
            channel: any Channel, descriptor: CInt, address: quic_address, arrivals: Inbox<QUICArrival, Never>?,
            executor: EventLoopTaskExecutor, credentials: QUICCredentials, configuration: QUICConfiguration, windowBudget: MemoryBudget?,
            logger: Logger
        ) {
            self.channel = channel
            self.eventLoop = channel.eventLoop
            self.address = address
            self.isWildcard = address.ip.isUnspecified
            self.arrivals = arrivals
            self.executor = executor
            self.credentials = credentials
            self.configuration = configuration
            self.windowBudget = windowBudget
            self.logger = logger
            self.router = QUICRouter(now: .now())
            self.sender = QUICSender(
                descriptor: descriptor, isWildcard: self.isWildcard, usesOffload: configuration.usesOffload)
            self.rest = configuration.restAfter.map { QUICRest(after: $0) }
            self.admission = QUICAdmission(
                validation: configuration.addressValidation, maximumHandshakes: configuration.maximumHandshakes)
        }

        /// Whether a dial that the system would send from `local` can go out through this socket. From any thread.
        func canDial(from local: quic_address) -> Bool {
            self.address.isIPv6 == local.isIPv6 && (self.isWildcard || self.address.ip == local.ip)
        }

        // MARK: Datagrams

        func received(_ datagram: QUICDatagram) {
            switch self.router.received(datagram.bytes, isListening: self.arrivals != nil, at: datagram.now) {
            case .deliver(let receiver): receiver.received(datagram)
            case .reset(let receiver): receiver.receivedReset()
            case .arrival(let header): self.arrived(header, datagram)
            case .negotiateVersion(let header):
                let packet = QUICStatelessPackets.versionNegotiation(answering: header, unused: .random(in: 0..<0x80))
                self.sender.send(packet, to: datagram.answer)
            case .sendReset(let id, let limit): self.reset(id, limit: limit, answering: datagram)
            case .drop: break
            }
        }

        private func reset(_ id: QUICConnectionID, limit: Int, answering datagram: QUICDatagram) {
            guard let token = self.credentials.resetToken(of: id) else { return }
            let noise = QUICCredentials.randomBytes(limit - token.count)
            self.sender.send(QUICStatelessPackets.reset(token: token, noise: noise), to: datagram.answer)
        }

        /// A client that nobody knows.
        private func arrived(_ header: QUICPacketHeader.Long, _ datagram: QUICDatagram) {
            var original = quic_cid()
            let secret = self.credentials.retrySecret
            let bytes = datagram.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            let examined = withUnsafePointer(to: datagram.remote) {
                quic_initial_examine(bytes, datagram.bytes.count, $0, secret, secret.count, datagram.now.quicTime, &original)
            }
            let proof: QUICAdmission.Proof
            switch examined {
            case QUIC_INITIAL_VALID: proof = .none
            case QUIC_INITIAL_VALIDATED: proof = .validated
            case QUIC_INITIAL_BAD_TOKEN: proof = .forged
            default: return
            }
            switch self.admission.verdict(on: proof) {
            case .welcome:
                let retried = proof == .validated ? QUICConnectionID(original) : nil
                self.welcome(QUICArrival(endpoint: self, header: header, original: retried, datagram))
            case .retry: self.retry(header, answering: datagram)
            case .refuse(let code): self.refuse(header, code: code, answering: datagram.answer)
            case .ignore: break
            }
        }

        private func welcome(_ arrival: QUICArrival) {
            guard let arrivals = self.arrivals, arrivals.offer(arrival) else {
                return self.refuse(arrival.header, code: QUICAdmission.connectionRefused, answering: arrival.route)
            }
            self.router.add(arrival.header.destination, to: arrival)
            self.admission.began()
            self.movedIn()
        }

        private func retry(_ header: QUICPacketHeader.Long, answering datagram: QUICDatagram) {
            let secret = self.credentials.retrySecret
            var packet = [UInt8](repeating: 0, count: QUICSession.maximumPacket)
            let size = withUnsafePointer(to: quic_cid(header.source)) { client in
                withUnsafePointer(to: quic_cid(header.destination)) { original in
                    withUnsafePointer(to: quic_cid(.random())) { fresh in
                        withUnsafePointer(to: datagram.remote) { remote in
                            quic_write_retry(
                                &packet, packet.count, header.version, client, original, fresh, remote, secret, secret.count,
                                datagram.now.quicTime)
                        }
                    }
                }
            }
            if size > 0 { self.sender.send(Array(packet.prefix(size)), to: datagram.answer) }
        }

        /// Closes a connection before there is one.
        func refuse(_ header: QUICPacketHeader.Long, code: UInt64, answering route: quic_route) {
            var packet = [UInt8](repeating: 0, count: QUICSession.maximumPacket)
            let size = withUnsafePointer(to: quic_cid(header.source)) { client in
                withUnsafePointer(to: quic_cid(header.destination)) { server in
                    quic_write_refusal(&packet, packet.count, header.version, client, server, code)
                }
            }
            if size > 0 { self.sender.send(Array(packet.prefix(size)), to: route) }
        }

        // MARK: Bursts

        /// A session has something to do at the end of the burst.
        func touch(_ session: QUICSession) {
            guard !session.isTouched else { return }
            session.isTouched = true
            self.touched.append(session)
            session.connection?.expectWork()
        }

        func burstEnded() {
            guard !self.touched.isEmpty else { return }
            for session in self.touched { session.burstEnded() }
            self.executor.runPending()
            let now = NIODeadline.now()
            // Handlers may have touched others.
            for session in self.touched {
                session.isTouched = false
                session.drain(at: now)
            }
            self.touched.removeAll(keepingCapacity: true)
        }

        // MARK: A full socket

        /// The session goes on when the socket has room.
        func waitForRoom(_ session: QUICSession) {
            self.waitingForRoom.append(session)
            guard !self.isPaused else { return }
            self.isPaused = true
            self.eventLoop.scheduleTask(in: Self.pause) {
                self.isPaused = false
                self.sender.retry()
                let waiting = self.waitingForRoom
                self.waitingForRoom = []
                for session in waiting { session.drain() }
            }
        }

        // MARK: Rest

        /// Something is asked of a connection that is new, or that rested.
        func woke(_ session: QUICSession) {
            if let next = self.rest?.woke(session, at: self.eventLoop.now) { self.look(at: next) }
        }

        private func look(at time: NIODeadline) {
            self.eventLoop.scheduleTask(deadline: time) {
                guard let next = self.rest?.look(at: self.eventLoop.now) else { return }
                self.look(at: max(next, self.eventLoop.now + QUICRest.pause))
            }
        }

        // MARK: Connections

        /// Dials. The promise gets the connection, or a ``TransportError``; a closed socket is ``QUICEndpointClosed``.
        func dial(_ remote: quic_address, from local: quic_address, expecting peer: PeerID?, ready: EventLoopPromise<QUICConnection>)
            -> QUICSession?
        {
            guard !self.isClosed else {
                ready.fail(QUICEndpointClosed())
                return nil
            }
            let session = QUICSession(
                endpoint: self, role: .dialer, expecting: peer, local: local.with(port: self.address.port), remote: remote, ready: ready)
            var options = quic_options()
            options.remote = Self.guess()
            self.movedIn()
            self.admission.began()
            guard session.start(&options, local: self.freshID()) else {
                self.movedOut()
                self.leftForGood()
                self.admission.ended()
                ready.fail(TransportError(.securityFailed, "the QUIC library does not make a connection"))
                return nil
            }
            session.drain()
            return session
        }

        /// Turns an arrival into a session and feeds it what has come so far.
        func accept(_ arrival: QUICArrival, ready: EventLoopPromise<QUICConnection>) -> QUICSession? {
            let session = QUICSession(
                endpoint: self, role: .listener, expecting: nil, local: arrival.route.local, remote: arrival.route.remote, ready: ready)
            var options = quic_options()
            options.remote = quic_cid(arrival.header.source)
            options.original = quic_cid(arrival.original ?? arrival.header.destination)
            if arrival.original != nil {
                options.retry = quic_cid(arrival.header.destination)
                options.is_retried = true
            }
            guard session.start(&options, local: self.freshID()) else {
                self.forget(arrival)
                ready.fail(TransportError(.securityFailed, "the QUIC library does not make a connection"))
                return nil
            }
            session.add(arrival.header.destination)
            for (bytes, ecn) in arrival.takeDatagrams() {
                bytes.withUnsafeBytes {
                    session.received(
                        QUICDatagram(bytes: $0, local: arrival.route.local, remote: arrival.route.remote, ecn: ecn, now: .now()))
                }
            }
            self.burstEnded()
            return session
        }

        /// An arrival came to nothing.
        func forget(_ arrival: QUICArrival) {
            self.router.remove(arrival.header.destination)
            self.admission.ended()
            self.movedOut()
            self.leftForGood()
        }

        func handshakeEnded() { self.admission.ended() }

        /// The id that a client guesses for the server.
        private static func guess() -> quic_cid {
            var cid = quic_cid(QUICConnectionID.random())
            // Eight bytes are the least; more would say that we are not like others.
            cid.length = UInt8(QUICConnectionID.localLength)
            return cid
        }

        private func freshID() -> QUICConnectionID {
            while true {
                let id = QUICConnectionID.random()
                if !self.router.contains(id) { return id }
            }
        }

        /// Writes a connection's last packet and sends it.
        func close(_ native: OpaquePointer, isApplication: Bool, code: UInt64) -> QUICClosing.Packet? {
            self.sender.flush()
            var route = quic_route()
            var packet = [UInt8](repeating: 0, count: QUICSession.maximumPacket)
            let size = quic_connection_close(native, &route, &packet, packet.count, isApplication, code, NIODeadline.now().quicTime)
            guard size > 0 else { return nil }
            let last = QUICClosing.Packet(bytes: Array(packet.prefix(Int(size))), route: route)
            self.sender.send(last.bytes, to: last.route)
            return last
        }

        /// A session is over: for a while somebody else answers in its place, unless that is nil.
        func retire(ids: Set<QUICConnectionID>, leaving closing: QUICClosing?, for linger: TimeAmount) {
            self.movedOut()
            guard let closing, !self.isClosed, self.lingering < Self.maximumLingering else {
                for id in ids { self.router.remove(id) }
                return self.leftForGood()
            }
            for id in ids { self.router.add(id, to: closing) }
            self.lingering += 1
            self.eventLoop.scheduleTask(in: linger) {
                self.lingering -= 1
                for id in ids { self.router.remove(id) }
                self.leftForGood()
            }
        }

        // MARK: The socket's life

        private func movedIn() {
            self.tenants += 1
            self.living += 1
        }

        private func movedOut() {
            self.living -= 1
        }

        private func leftForGood() {
            self.tenants -= 1
            self.closeIfEmpty()
        }

        /// Nobody listens any more: arrivals are refused, and the socket goes with its last connection.
        func stopListening() -> EventLoopFuture<Void> {
            guard let arrivals = self.arrivals else { return self.eventLoop.makeSucceededVoidFuture() }
            self.arrivals = nil
            arrivals.finish(.success(()))
            for arrival in arrivals.drain() { arrival.refuseOnLoop() }
            guard self.living == 0 else { return self.eventLoop.makeSucceededVoidFuture() }
            self.shutDown()
            return self.channel.closeFuture
        }

        private func closeIfEmpty() {
            if self.arrivals == nil, self.tenants == 0 { self.shutDown() }
        }

        private func shutDown() {
            guard !self.isClosed else { return }
            self.isClosed = true
            self.sender.close()
            self.channel.close(promise: nil)
        }

        /// The channel is gone, whoever closed it.
        func channelClosed(_ error: (any Error)?) {
            self.isClosed = true
            self.sender.close()
            self.arrivals?.finish(.success(()))
            for session in self.sessions() {
                session.end(ConnectionError(.lost, "\(session.name): its socket was closed", cause: error))
            }
            self.router.removeAll()
        }

        private func sessions() -> [QUICSession] {
            var seen: Set<ObjectIdentifier> = []
            return self.router.all.compactMap { $0 as? QUICSession }.filter { seen.insert(ObjectIdentifier($0)).inserted }
        }

        func reportError(_ error: any Error) {
            self.logger.debug("a QUIC socket reported an error", metadata: ["error": "\(error)"])
        }
    }

    /// The socket went away between choosing it and using it.
    struct QUICEndpointClosed: Error {}

    extension QUICDatagram {
        /// Back to where it came from.
        var answer: quic_route { quic_route(local: self.local, remote: self.remote, ecn: 0) }
    }
#endif
