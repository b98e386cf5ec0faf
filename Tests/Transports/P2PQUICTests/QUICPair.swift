#if QUIC
    import Logging
    import NIOCore
    import NIOPosix
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr
    import P2PMuxing
    import P2PTesting
    import Synchronization
    import Testing

    @testable import P2PQUIC

    /// A node of a test.
    struct QUICNode {
        let peer: PeerID
        let transport: QUICTransport

        init(
            _ configuration: QUICConfiguration = QUICConfiguration(), windowBudget: MemoryBudget? = nil,
            logger: Logger = Logger(label: "test")
        ) async throws {
            let key = try PrivateKey.generate(.ed25519)
            self.peer = PeerID(key.publicKey)
            self.transport = try await QUICTransport.make(
                identity: key, configuration: configuration, windowBudget: windowBudget, logger: logger)
        }

        /// Dials a listener that accepts everybody, by the address that `path` makes of its own.
        func connect(
            to listener: QUICNode, path: @escaping @Sendable (Multiaddr) async throws -> Multiaddr = { $0 }
        ) async throws -> (dialer: MuxerConnection, listener: MuxerConnection) {
            let listening = try await listener.transport.listen(on: Multiaddr("/ip4/127.0.0.1/udp/0/quic-v1"))
            let accepted = Inbox<MuxerConnection, Never>(limit: 8)
            let accepting = Task {
                try await listening.run { arrival in
                    if let connection = try? await arrival.accept() as? MuxerConnection { _ = accepted.offer(connection) }
                }
            }
            defer { accepting.cancel() }
            let address = try await path(try #require(listening.addresses.first))
            let options = DialOptions(deadline: .now() + .seconds(30))
            let dialled = try #require(
                try await self.transport.dial(address, expecting: listener.peer, options: options) as? MuxerConnection)
            return (dialled, try #require(await accepted.next()))
        }
    }

    extension MuxerConnection {
        /// Runs the body while the other side echoes; closes both afterwards.
        func whileEchoing(_ other: MuxerConnection, _ body: @escaping @Sendable (MuxerConnection) async throws -> Void) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await MuxerConformance.echo(other) }
                try await body(self)
                await self.close(.normal, grace: .zero)
                await other.close(.normal, grace: .zero)
                group.cancelAll()
            }
        }

        func echo(_ count: Int) async throws {
            try await MuxerConformance.roundTrip(try await self.openStream(), MuxerConformance.pattern(count))
        }

        /// The protocol's half. Confined to the event loop.
        var session: QUICSession? { self.handler as? QUICSession }

        /// What the protocol's half knows.
        func fromSession<Value: Sendable>(_ read: @escaping @Sendable (QUICSession) -> Value) async throws -> Value? {
            try await self.eventLoop.submit { self.session.map(read) }.get()
        }
    }

    /// Keeps the lines of the library's log that somebody asked for.
    final class LogLines: Sendable {
        private let lines = Mutex<[String]>([])
        private let wanted: [String]

        init(with wanted: [String]) { self.wanted = wanted }

        var logger: Logger {
            var logger = Logger(label: "test") { _ in Handler(lines: self) }
            logger.logLevel = .trace
            return logger
        }

        func count(with text: String) -> Int { self.lines.withLock { $0.count { $0.contains(text) } } }

        private struct Handler: LogHandler {
            let lines: LogLines
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.trace

            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { self.metadata[key] }
                set { self.metadata[key] = newValue }
            }

            func log(event: LogEvent) {
                guard let line = event.metadata?["line"]?.description, self.lines.wanted.contains(where: { line.contains($0) }) else {
                    return
                }
                self.lines.lines.withLock { $0.append(line) }
            }
        }
    }
#endif
