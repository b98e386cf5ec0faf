#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore
    import P2PMultiaddr
    import P2PMuxing
    import P2PTesting
    import Testing

    @testable import P2PQUIC

    @Suite("QUIC connections at rest", .timeLimit(.minutes(3)))
    struct QUICRestTests {
        /// A node that never asks whether the peer lives.
        private func node(restingAfter delay: Duration?) async throws -> QUICNode {
            var configuration = QUICConfiguration.mobile
            configuration.restAfter = delay
            configuration.keepAliveInterval = nil
            return try await QUICNode(configuration)
        }

        private func isResting(_ connection: MuxerConnection) async throws -> Bool? {
            try await connection.fromSession { session in session.native.map { quic_connection_is_resting($0) } ?? false }
        }

        /// Returns how long it took.
        @discardableResult
        private func waitForRest(_ connection: MuxerConnection, atMost limit: Duration = .seconds(20)) async throws -> Duration {
            let start = ContinuousClock.now
            while try await self.isResting(connection) != true {
                try #require(ContinuousClock.now - start < limit, "the connection does not come to rest")
                try await Task.sleep(for: .milliseconds(5))
            }
            return ContinuousClock.now - start
        }

        @Test("A quiet connection rests, wakes for either side's bytes with all that was under way, and rests again")
        func wakes() async throws {
            let pair = try await self.node(restingAfter: .milliseconds(20))
                .connect(to: try await self.node(restingAfter: .milliseconds(20)))
            let listener = pair.listener
            try await pair.dialer.whileEchoing(listener) { dialer in
                let stream = try await dialer.openStream()
                for round in 1...3 {
                    try await stream.write(bytes: [UInt8](repeating: UInt8(round), count: 70_000))
                    try await self.waitForRest(dialer)
                    try await self.waitForRest(listener)
                    #expect(try await stream.readExactly(70_000) == ByteBuffer(repeating: UInt8(round), count: 70_000))
                }
                try await self.waitForRest(dialer)
                try await dialer.echo(1 << 20)
                try await stream.finish()
                #expect(try await stream.read() == nil)
                try await self.waitForRest(dialer)
                try await self.waitForRest(listener)
            }
        }

        @Test("A connection that does nothing counts for no more than each connection does")
        func counted() async throws {
            let pair = try await self.node(restingAfter: .milliseconds(20))
                .connect(to: try await self.node(restingAfter: .milliseconds(20)))
            for end in [pair.dialer, pair.listener] {
                try await self.waitForRest(end)
                #expect(end.account.charge == HeldMemory.perConnection)
            }
        }

        @Test("Keep-alive goes on: a connection at rest outlives its idle time")
        func keepsAlive() async throws {
            var configuration = QUICConfiguration()
            configuration.restAfter = .milliseconds(20)
            // Asked so often that to rest between two questions is worth while.
            configuration.idleTimeout = .seconds(5)
            configuration.keepAliveInterval = .milliseconds(2_500)
            let pair = try await QUICNode(configuration).connect(to: try await QUICNode(configuration))
            let listener = pair.listener
            try await pair.dialer.whileEchoing(listener) { dialer in
                try await self.waitForRest(dialer)
                try await Task.sleep(for: .seconds(6))
                try await self.waitForRest(listener)
                try await dialer.echo(10_000)
            }
        }

        @Test("The end of a connection at rest is told to the peer, which rests too")
        func ends() async throws {
            let pair = try await self.node(restingAfter: .milliseconds(20))
                .connect(to: try await self.node(restingAfter: .milliseconds(20)))
            try await self.waitForRest(pair.dialer)
            try await self.waitForRest(pair.listener)
            await pair.dialer.close(.normal, grace: .zero)
            var streams = pair.listener.inboundStreams.makeAsyncIterator()
            do {
                while try await streams.next() != nil {}
                Issue.record("it ended without a reason")
            } catch {
                #expect(error.code == .closedByPeer)
            }
        }

        @Test("One that is told never to rest does not")
        func never() async throws {
            let pair = try await self.node(restingAfter: nil).connect(to: try await self.node(restingAfter: .milliseconds(20)))
            try await self.waitForRest(pair.listener)
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await self.isResting(pair.dialer) == false)
            await pair.dialer.close(.normal, grace: .zero)
        }

        @Test("A connection that is over is not held until it might have rested")
        func letsGo() async throws {
            let pair = try await self.node(restingAfter: .seconds(1_000)).connect(to: try await self.node(restingAfter: nil))
            let witness = try await pair.dialer.eventLoop.submit { [dialer = pair.dialer] in WeakSession(session: dialer.session) }.get()
            #expect(try await pair.dialer.eventLoop.submit { witness.session != nil }.get())
            await pair.dialer.close(.normal, grace: .zero)
            let start = ContinuousClock.now
            while try await pair.dialer.eventLoop.submit({ witness.session != nil }).get() {
                try #require(ContinuousClock.now - start < .seconds(20), "the session is held")
                try await Task.sleep(for: .milliseconds(10))
            }
        }

        private final class WeakSession: @unchecked Sendable {
            /// Confined to the event loop.
            weak var session: QUICSession?

            init(session: QUICSession?) { self.session = session }
        }

        @Test("One that is woken often is left awake")
        func patience() async throws {
            let pair = try await self.node(restingAfter: .milliseconds(20)).connect(to: try await self.node(restingAfter: nil))
            try await pair.dialer.whileEchoing(pair.listener) { dialer in
                let stream = try await dialer.openStream()
                var waits: [Duration] = []
                for _ in 0..<6 {
                    try await stream.write(bytes: [1])
                    #expect(try await stream.readExactly(1) == ByteBuffer(bytes: [1]))
                    waits.append(try await self.waitForRest(dialer))
                }
                // It looks every 20 ms, and after each rest that was worth nothing wants to find the connection quiet twice as often.
                #expect(try #require(waits.max()) > .milliseconds(100))
                let wanted = try #require(try await dialer.fromSession { $0.pace.wanted })
                // A rest that was worth its price makes up for all that.
                try await Task.sleep(for: .milliseconds(900))
                try await stream.write(bytes: [1])
                #expect(try await stream.readExactly(1) == ByteBuffer(bytes: [1]))
                #expect(try #require(try await dialer.fromSession { $0.pace.wanted }) < wanted)
                try await stream.finish()
            }
        }

        @Test("Many that fall quiet at once come to rest, each of them")
        func many() async throws {
            let (dialer, listener) = (try await self.node(restingAfter: .milliseconds(300)), try await self.node(restingAfter: nil))
            let listening = try await listener.transport.listen(on: Multiaddr("/ip4/127.0.0.1/udp/0/quic-v1"))
            let accepting = Task { try await listening.run { arrival in _ = try? await arrival.accept() } }
            defer { accepting.cancel() }
            let address = try #require(listening.addresses.first)
            var connections: [MuxerConnection] = []
            for _ in 0..<QUICRest.turn * 2 + 1 {
                let options = DialOptions(deadline: .now() + .seconds(30))
                connections.append(
                    try #require(try await dialer.transport.dial(address, expecting: listener.peer, options: options) as? MuxerConnection))
            }
            var streams: [PeerStream] = []
            for connection in connections {
                streams.append(try await connection.openStream())
                try await streams.last?.write(bytes: [1])
            }
            // The loop is held up for so long that all of them are due at once.
            try await connections[0].eventLoop.submit {
                let end = NIODeadline.now() + .milliseconds(700)
                while .now() < end {}
            }.get()
            for connection in connections { try await self.waitForRest(connection) }
            for connection in connections { #expect(try await self.isResting(connection) == true) }
            for connection in connections { await connection.close(.normal, grace: .zero) }
        }

        @Test("The contract of a muxer is kept by connections that rest whenever they can", arguments: MuxerConformance.Case.allCases)
        func muxer(_ conformanceCase: MuxerConformance.Case) async throws {
            var configuration = QUICConfiguration()
            configuration.restAfter = .zero
            let settings = configuration
            try await MuxerConformance {
                try await QUICNode(settings).connect(to: try await QUICNode(settings))
            }.run(conformanceCase)
        }
    }
#endif
