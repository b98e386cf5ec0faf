#if QUIC
    import CNgtcp2Shim
    import Logging
    package import NIOCore
    import P2PCertificate
    package import P2PCore
    package import P2PIdentity
    import P2PMultiaddr
    import P2PMuxing

    /// An endpoint with real connections that gets its datagrams from whoever calls, in place of a socket: for fuzzing.
    ///
    /// What it answers leaves through a socket of its own, for nobody. Confined to the channel's event loop.
    package final class QUICEndpointFeed {
        /// Who the endpoint is; made once.
        package struct Identity: Sendable {
            fileprivate let credentials: QUICCredentials

            /// - Throws: a `TransportError` when the identity does not sign.
            package init(_ identity: any IdentityKey) async throws {
                self.credentials = try await QUICCredentials.make(identity: identity, metadata: [])
            }

            /// As the library knows them; good for as long as the identity is there.
            package var native: OpaquePointer { self.credentials.certificate.pointer }
        }

        private let endpoint: QUICEndpoint
        private let arrivals = Inbox<QUICArrival, Never>(limit: 8)
        private var sessions: [QUICSession] = []
        /// Connections whose handshakes were completed.
        package private(set) var connections: [any MuxedConnection] = []
        /// Every session that there was.
        private var witnesses: [Witness] = []

        private struct Witness {
            weak var session: QUICSession?
        }

        /// - Parameter channel: stands for the socket's; only its event loop and its closing are of use.
        package init(channel: any Channel, identity: Identity, windowBudget: MemoryBudget? = nil) throws {
            var bound = quic_address()
            var descriptor: CInt = -1
            let code = withUnsafePointer(to: quic_address(ip: .loopbackV4, port: 0)) { quic_socket_open($0, &descriptor, &bound) }
            guard code == 0 else { throw QUICErrno(code: code) }
            self.endpoint = QUICEndpoint(
                eventLoop: channel.eventLoop, descriptor: descriptor, address: bound, arrivals: self.arrivals,
                executor: EventLoopTaskExecutor(channel.eventLoop), credentials: identity.credentials, configuration: QUICConfiguration(),
                windowBudget: windowBudget, logger: Logger(label: "feed", factory: { _ in SwiftLogNoOpLogHandler() }))
        }

        /// Ends every connection, and lets go of the socket; what lingers does so until the event loop's time has passed.
        package func finish() {
            for session in self.sessions { session.abandon() }
            self.sessions = []
            self.connections = []
            self.endpoint.state.sender.close()
            self.endpoint.closeSocket()
        }

        /// A datagram from a loopback port.
        package func receive(_ bytes: [UInt8], fromPort port: UInt16, ecn: UInt8) {
            let remote = quic_address(ip: .loopbackV4, port: port)
            bytes.withUnsafeBytes {
                self.endpoint.received(QUICDatagram(bytes: $0, local: self.endpoint.address, remote: remote, ecn: ecn & 0x03, now: .now()))
            }
            self.endpoint.burstEnded()
        }

        /// Accepts whoever has arrived, or refuses.
        package func decide(accepting isWelcome: Bool) {
            guard let arrival = self.arrivals.poll() else { return }
            guard isWelcome else { return arrival.refuseOnLoop() }
            self.keep(self.endpoint.accept(arrival, ready: self.expectConnection()))
        }

        /// Dials a loopback port, where nobody answers but the caller.
        package func dial(port: UInt16) {
            let remote = quic_address(ip: .loopbackV4, port: port)
            self.keep(self.endpoint.dial(remote, from: self.endpoint.address, expecting: nil, ready: self.expectConnection()))
        }

        private func expectConnection() -> EventLoopPromise<MuxerConnection> {
            let ready = self.endpoint.eventLoop.makePromise(of: MuxerConnection.self)
            ready.futureResult.assumeIsolated().whenSuccess { self.connections.append($0) }
            return ready
        }

        private func keep(_ session: QUICSession?) {
            guard let session else { return }
            self.sessions.append(session)
            self.witnesses.append(Witness(session: session))
        }

        /// Every connection is left as its application leaves it.
        package func close(_ code: ConnectionErrorCode, grace: TimeAmount) {
            for session in self.sessions { session.close(code, grace: grace) }
        }

        /// Where the connections' tasks run.
        package var executor: EventLoopTaskExecutor { self.endpoint.executor }

        /// Time passes for every connection.
        package func expire() {
            for session in self.sessions { session.tick() }
        }

        /// Sessions that somebody holds on to, and connection ids that lead somewhere: none, a while after ``finish()``.
        package var remains: Int { self.witnesses.count { $0.session != nil } + self.endpoint.state.router.count }

        /// The connection ids that lead somewhere, in the order of their bytes.
        package var ids: [QUICConnectionID] {
            self.endpoint.state.router.ids.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        }
    }
#endif
