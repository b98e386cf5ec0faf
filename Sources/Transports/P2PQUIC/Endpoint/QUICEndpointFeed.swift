#if QUIC
    import CNgtcp2Shim
    import Logging
    package import NIOCore
    import P2PCore
    package import P2PIdentity
    import P2PMultiaddr

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
        }

        private let endpoint: QUICEndpoint
        private let arrivals = Inbox<QUICArrival, Never>(limit: 8)
        private let descriptor: CInt
        private var sessions: [QUICSession] = []

        /// - Parameter channel: stands for the socket's; only its event loop and its closing are of use.
        package init(channel: any Channel, identity: Identity) throws {
            var bound = quic_address()
            var descriptor: CInt = -1
            let code = withUnsafePointer(to: quic_address(ip: .loopbackV4, port: 0)) { quic_socket_open($0, &descriptor, &bound) }
            guard code == 0 else { throw QUICErrno(code: code) }
            self.descriptor = descriptor
            self.endpoint = QUICEndpoint(
                channel: channel, descriptor: descriptor, address: bound, arrivals: self.arrivals,
                executor: EventLoopTaskExecutor(channel.eventLoop), credentials: identity.credentials, configuration: QUICConfiguration(),
                windowBudget: nil, logger: Logger(label: "feed", factory: { _ in SwiftLogNoOpLogHandler() }))
        }

        /// Ends every connection, and lets go of the socket; what lingers does so until the event loop's time has passed.
        package func finish() {
            for session in self.sessions { session.abandon() }
            self.sessions = []
            self.endpoint.sender.close()
            quic_socket_close(self.descriptor)
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
            let ready = self.endpoint.eventLoop.makePromise(of: QUICConnection.self)
            ready.futureResult.whenFailure { _ in }
            if let session = self.endpoint.accept(arrival, ready: ready) { self.sessions.append(session) }
        }

        /// Dials a loopback port, where nobody answers but the caller.
        package func dial(port: UInt16) {
            let ready = self.endpoint.eventLoop.makePromise(of: QUICConnection.self)
            ready.futureResult.whenFailure { _ in }
            let remote = quic_address(ip: .loopbackV4, port: port)
            if let session = self.endpoint.dial(remote, from: self.endpoint.address, expecting: nil, ready: ready) {
                self.sessions.append(session)
            }
        }

        /// Time passes for every connection.
        package func expire() {
            for session in self.sessions { session.expire() }
        }

        /// The connection ids that lead somewhere, in the order of their bytes.
        package var ids: [QUICConnectionID] {
            self.endpoint.router.ids.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        }
    }
#endif
