#if QUIC
    import CNgtcp2Shim
    import Logging
    import NIOCore
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr
    import P2PMuxing

    /// One UDP socket and every connection over it, dialled or accepted. Confined to its event loop, but for what says otherwise.
    final class QUICEndpoint: Sendable {
        /// Connections that are over and for which somebody still answers; those beyond are forgotten at once.
        static let maximumLingering = 1_024
        /// Connections that look at themselves in one turn of the loop.
        static let wokenAtOnce = 64
        /// How long a socket without room is left alone, and others have the loop for between two such turns.
        static let pause = TimeAmount.milliseconds(1)

        let eventLoop: any EventLoop
        let executor: EventLoopTaskExecutor
        let credentials: QUICCredentials
        let configuration: QUICConfiguration
        let windowBudget: MemoryBudget?
        /// The real address; the port is never 0.
        let address: quic_address
        /// The same as the system writes it.
        let socketAddress: SocketAddress?
        /// Whether it listens on every address of this machine.
        let isWildcard: Bool
        let logger: Logger

        /// Everything that changes.
        struct State: ~Copyable {
            var router: QUICRouter<any QUICReceiver>
            var sender: QUICSender
            fileprivate var admission: QUICAdmission
            /// Where arrivals go; nil when nobody listens.
            fileprivate var arrivals: Inbox<QUICArrival, Never>?
            /// Nil when connections never rest.
            fileprivate var rest: QUICRest?
            /// Those who are to look at themselves in a second or later.
            fileprivate var wheel = QUICWheel<QUICBell>()
            /// When the wheel is looked at next.
            fileprivate var nextTurn: NIODeadline?
            fileprivate var touched: [QUICSession] = []
            fileprivate var waitingForRoom: [QUICSession] = []
            fileprivate var isPaused = false
            /// Connections, arrivals and what is left of them: the socket stays for their sake.
            fileprivate var references = 0
            /// Of those, connections and arrivals that are not over.
            fileprivate var active = 0
            /// Of those, connections that are over and for which somebody still answers.
            fileprivate var lingering = 0
            fileprivate var isClosed = false
            /// What reads the socket; nil between two of them.
            var reader: (any Channel)?
            /// The socket, of which a reader has a second descriptor; -1 once it is closed.
            var descriptor: CInt
            var faults = SocketFaults()
            fileprivate var whenClosed: [@Sendable () -> Void] = []
        }

        /// Confined to the event loop. No method of a part calls anything that would come back here.
        nonisolated(unsafe) var state: State

        /// Binds the address and hands the socket to an event loop. From any thread.
        static func make(
            _ address: quic_address, arrivals: Inbox<QUICArrival, Never>?, eventLoop: any EventLoop, executor: EventLoopTaskExecutor,
            credentials: QUICCredentials, configuration: QUICConfiguration, windowBudget: MemoryBudget?, logger: Logger
        ) async throws -> QUICEndpoint {
            var descriptor: CInt = -1
            var bound = quic_address()
            let code = withUnsafePointer(to: address) { quic_socket_open($0, &descriptor, &bound) }
            guard code == 0 else { throw QUICErrno(code: code) }
            let endpoint = QUICEndpoint(
                eventLoop: eventLoop, descriptor: descriptor, address: bound, arrivals: arrivals, executor: executor,
                credentials: credentials, configuration: configuration, windowBudget: windowBudget, logger: logger)
            do {
                try await eventLoop.flatSubmit { endpoint.startReading() }.get()
            } catch {
                try? await eventLoop.submit { endpoint.fail(error) }.get()
                throw error
            }
            return endpoint
        }

        /// Around a socket that is bound, which nobody reads yet; ``make(_:arrivals:eventLoop:executor:credentials:configuration:windowBudget:logger:)``
        /// binds one and reads it.
        init(
            eventLoop: any EventLoop, descriptor: CInt, address: quic_address, arrivals: Inbox<QUICArrival, Never>?,
            executor: EventLoopTaskExecutor, credentials: QUICCredentials, configuration: QUICConfiguration, windowBudget: MemoryBudget?,
            logger: Logger
        ) {
            self.eventLoop = eventLoop
            self.address = address
            self.socketAddress = try? SocketAddress(packedIPAddress: ByteBuffer(bytes: address.ip.bytes), port: Int(address.port))
                .scoped(to: address.scope)
            self.isWildcard = address.ip.isUnspecified
            self.executor = executor
            self.credentials = credentials
            self.configuration = configuration
            self.windowBudget = windowBudget
            self.logger = logger
            self.state = State(
                router: QUICRouter(now: .now()),
                sender: QUICSender(
                    descriptor: descriptor, isWildcard: address.ip.isUnspecified, usesOffload: configuration.usesOffload),
                admission: QUICAdmission(
                    validation: configuration.addressValidation, maximumHandshakes: configuration.maximumHandshakes),
                arrivals: arrivals, rest: configuration.restAfter.map { QUICRest(after: $0) }, descriptor: descriptor)
        }

        /// Whether a dial that the system would send from `local` can go out through this socket. From any thread.
        func canDial(from local: quic_address) -> Bool {
            self.address.isIPv6 == local.isIPv6 && (self.isWildcard || self.address.ip == local.ip)
        }

        // MARK: Datagrams

        func received(_ datagram: QUICDatagram) {
            let isListening = self.state.arrivals != nil
            switch self.state.router.received(datagram.bytes, isListening: isListening, at: datagram.now) {
            case .deliver(let receiver): receiver.received(datagram)
            case .reset(let receiver): receiver.receivedReset()
            case .arrival(let header): self.arrived(header, datagram)
            case .negotiateVersion(let header):
                let packet = QUICStatelessPackets.versionNegotiation(answering: header, unused: .random(in: 0..<0x80))
                self.state.sender.send(packet, to: datagram.answer)
            case .sendReset(let id, let limit): self.reset(id, limit: limit, answering: datagram)
            case .drop: break
            }
        }

        private func reset(_ id: QUICConnectionID, limit: Int, answering datagram: QUICDatagram) {
            guard let token = self.credentials.resetToken(of: id) else { return }
            let noise = QUICCredentials.randomBytes(limit - token.count)
            self.state.sender.send(QUICStatelessPackets.reset(token: token, noise: noise), to: datagram.answer)
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
            switch self.state.admission.verdict(on: proof) {
            case .welcome:
                let retried = proof == .validated ? QUICConnectionID(original) : nil
                self.welcome(QUICArrival(endpoint: self, header: header, original: retried, datagram))
            case .retry: self.retry(header, answering: datagram)
            case .refuse(let code): self.refuse(header, code: code, answering: datagram.answer)
            case .ignore: break
            }
        }

        private func welcome(_ arrival: QUICArrival) {
            guard let arrivals = self.state.arrivals, arrivals.offer(arrival) else {
                return self.refuse(arrival.header, code: QUICAdmission.connectionRefused, answering: arrival.route)
            }
            self.state.router.add(arrival.header.destination, to: arrival)
            self.state.admission.began()
            self.retain()
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
            if size > 0 { self.state.sender.send(Array(packet.prefix(size)), to: datagram.answer) }
        }

        /// Closes a connection before there is one.
        func refuse(_ header: QUICPacketHeader.Long, code: UInt64, answering route: quic_route) {
            var packet = [UInt8](repeating: 0, count: QUICSession.maximumPacket)
            let size = withUnsafePointer(to: quic_cid(header.source)) { client in
                withUnsafePointer(to: quic_cid(header.destination)) { server in
                    quic_write_refusal(&packet, packet.count, header.version, client, server, code)
                }
            }
            if size > 0 { self.state.sender.send(Array(packet.prefix(size)), to: route) }
        }

        // MARK: Bursts

        /// A session has something to do at the end of the burst.
        func touch(_ session: QUICSession) {
            guard !session.isTouched else { return }
            session.isTouched = true
            self.state.touched.append(session)
            session.connection?.expectWork()
        }

        func burstEnded() {
            guard !self.state.touched.isEmpty else { return }
            for session in self.state.touched { session.burstEnded() }
            self.executor.runPending()
            let now = NIODeadline.now()
            // Handlers may have touched others.
            for session in self.state.touched {
                session.isTouched = false
                session.drain(at: now)
            }
            self.state.touched.removeAll(keepingCapacity: true)
        }

        // MARK: A full socket

        /// The session goes on when the socket has room.
        func waitForRoom(_ session: QUICSession) {
            self.state.waitingForRoom.append(session)
            guard !self.state.isPaused else { return }
            self.state.isPaused = true
            self.eventLoop.scheduleTask(in: Self.pause) {
                self.state.isPaused = false
                self.state.sender.retry()
                let waiting = self.state.waitingForRoom
                self.state.waitingForRoom = []
                for session in waiting { session.drain() }
            }
        }

        // MARK: Rest

        /// Something is asked of a connection that is new, or that rested.
        func woke(_ session: QUICSession) {
            if let next = self.state.rest?.woke(session, at: self.eventLoop.now) { self.look(at: next) }
        }

        private func look(at time: NIODeadline) {
            self.eventLoop.scheduleTask(deadline: time) {
                guard let next = self.state.rest?.look(at: self.eventLoop.now) else { return }
                self.look(at: max(next, self.eventLoop.now + QUICRest.pause))
            }
        }

        // MARK: Time

        /// Rings when that moment has come.
        func wake(_ bell: QUICBell, at moment: UInt64) {
            self.state.wheel.add(bell, at: moment)
            self.turn(at: QUICWheel<QUICBell>.time(of: moment))
        }

        private func turn(at time: NIODeadline) {
            if let next = self.state.nextTurn, next <= time { return }
            self.state.nextTurn = time
            self.eventLoop.scheduleTask(deadline: time) {
                guard self.state.nextTurn == time else { return }
                self.state.nextTurn = nil
                let now = self.eventLoop.now
                for (moment, bell) in self.state.wheel.take(upTo: Self.wokenAtOnce, at: now) { bell.ring(at: moment) }
                if let next = self.state.wheel.next { self.turn(at: max(next, self.eventLoop.now + Self.pause)) }
            }
        }

        // MARK: Connections

        /// Dials. The promise gets the connection, or a ``TransportError``; a closed socket is ``QUICEndpointClosed``.
        func dial(_ remote: quic_address, from local: quic_address, expecting peer: PeerID?, ready: EventLoopPromise<MuxerConnection>)
            -> QUICSession?
        {
            guard !self.state.isClosed else {
                ready.fail(QUICEndpointClosed())
                return nil
            }
            let session = QUICSession(
                endpoint: self, role: .dialer, expecting: peer, local: local.with(port: self.address.port), remote: remote, ready: ready)
            var options = quic_options()
            options.remote = Self.guess()
            self.retain()
            self.state.admission.began()
            guard session.start(&options, local: self.freshID()) else {
                self.deactivate()
                self.release()
                self.state.admission.ended()
                ready.fail(TransportError(.securityFailed, "the QUIC library does not make a connection"))
                return nil
            }
            session.drain()
            return session
        }

        /// Turns an arrival into a session and feeds it what has come so far.
        func accept(_ arrival: QUICArrival, ready: EventLoopPromise<MuxerConnection>) -> QUICSession? {
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
            session.expectAnswer()
            self.burstEnded()
            return session
        }

        /// An arrival came to nothing.
        func forget(_ arrival: QUICArrival) {
            self.state.router.remove(arrival.header.destination)
            self.state.admission.ended()
            self.deactivate()
            self.release()
        }

        func handshakeEnded() { self.state.admission.ended() }

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
                if !self.state.router.contains(id) { return id }
            }
        }

        /// Writes a connection's last packet and sends it.
        func close(_ native: OpaquePointer, isApplication: Bool, code: UInt64) -> QUICClosing.Packet? {
            self.state.sender.flush()
            var route = quic_route()
            var packet = [UInt8](repeating: 0, count: QUICSession.maximumPacket)
            let size = quic_connection_close(native, &route, &packet, packet.count, isApplication, code, NIODeadline.now().quicTime)
            guard size > 0 else { return nil }
            let last = QUICClosing.Packet(bytes: Array(packet.prefix(Int(size))), route: route)
            self.state.sender.send(last.bytes, to: last.route)
            return last
        }

        /// A session is over: for a while somebody else answers in its place, unless that is nil.
        func retire(ids: Set<QUICConnectionID>, leaving closing: QUICClosing?, for linger: TimeAmount) {
            self.deactivate()
            guard let closing, !self.state.isClosed, self.state.lingering < Self.maximumLingering else {
                for id in ids { self.state.router.remove(id) }
                return self.release()
            }
            for id in ids { self.state.router.add(id, to: closing) }
            self.state.lingering += 1
            self.eventLoop.scheduleTask(in: linger) {
                self.state.lingering -= 1
                for id in ids { self.state.router.remove(id) }
                self.release()
            }
        }

        // MARK: The socket's life

        private func retain() {
            self.state.references += 1
            self.state.active += 1
        }

        private func deactivate() {
            self.state.active -= 1
        }

        private func release() {
            self.state.references -= 1
            self.closeIfEmpty()
        }

        /// Nobody listens any more: arrivals are refused, and the socket goes with its last connection.
        func stopListening() -> EventLoopFuture<Void> {
            guard let arrivals = self.state.arrivals else { return self.eventLoop.makeSucceededVoidFuture() }
            self.state.arrivals = nil
            arrivals.finish(.success(()))
            for arrival in arrivals.takeAll() { arrival.refuseOnLoop() }
            guard self.state.active == 0 else { return self.eventLoop.makeSucceededVoidFuture() }
            self.shutDown()
            let closed = self.eventLoop.makePromise(of: Void.self)
            self.whenClosed { closed.succeed() }
            return closed.futureResult
        }

        private func closeIfEmpty() {
            if self.state.arrivals == nil, self.state.references == 0 { self.shutDown() }
        }

        private func shutDown() {
            guard !self.state.isClosed else { return }
            self.state.isClosed = true
            self.state.sender.close()
            if let reader = self.state.reader { reader.close(promise: nil) } else { self.closeSocket() }
        }

        /// The socket is of no use any more.
        func fail(_ error: (any Error)?) {
            self.state.isClosed = true
            self.state.sender.close()
            self.state.arrivals?.finish(.success(()))
            for session in self.sessions() {
                session.end(ConnectionError(.lost, "\(session.name): its socket was closed", cause: error))
            }
            self.state.router.removeAll()
            self.closeSocket()
        }

        /// Nobody reads it any more.
        func closeSocket() {
            guard self.state.descriptor >= 0 else { return }
            quic_socket_close(self.state.descriptor)
            self.state.descriptor = -1
            let callbacks = self.state.whenClosed
            self.state.whenClosed = []
            for callback in callbacks { callback() }
        }

        /// Calls back once the socket is closed, or at once if it is.
        func whenClosed(_ callback: @escaping @Sendable () -> Void) {
            if self.state.descriptor < 0 { callback() } else { self.state.whenClosed.append(callback) }
        }

        var isClosed: Bool { self.state.isClosed }

        private func sessions() -> [QUICSession] {
            var seen: Set<ObjectIdentifier> = []
            return self.state.router.all.compactMap { $0 as? QUICSession }.filter { seen.insert(ObjectIdentifier($0)).inserted }
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
