#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore
    import P2PMultiaddr
    import P2PMuxing
    import P2PTesting
    import Synchronization
    import Testing

    @testable import P2PQUIC

    #if canImport(Darwin)
        import Darwin
    #elseif canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #endif

    @Suite("QUIC connections and the paths that they take", .timeLimit(.minutes(2)))
    struct QUICPathTests {
        /// The relay that a connection's path leads through.
        private func connect(
            _ dialer: QUICNode, _ listener: QUICNode, keepsMarks: Bool = true
        ) async throws -> (relay: DatagramRelay, pair: (dialer: MuxerConnection, listener: MuxerConnection)) {
            let relay = Mutex<DatagramRelay?>(nil)
            let pair = try await dialer.connect(to: listener) { address in
                let made = try await DatagramRelay.make(to: address, keepsMarks: keepsMarks)
                relay.withLock { $0 = made }
                return try made.address
            }
            return (try #require(relay.withLock { $0 }), pair)
        }

        @Test(
            "A client whose address changes under way keeps its connection, and the new address is validated",
            arguments: ["127.0.0.1", "127.0.0.2"])
        func rebinding(host: String) async throws {
            let (relay, pair) = try await self.connect(try await QUICNode(), try await QUICNode())
            let listening = pair.listener
            try await pair.dialer.whileEchoing(listening) { dialer in
                let early = try await dialer.openStream()
                try await early.write(bytes: [1, 2, 3])
                #expect(try await early.readExactly(3) == ByteBuffer(bytes: [1, 2, 3]))
                #expect(try await listening.fromSession { $0.remote.multiaddr } == relay.seen)
                try await relay.rebind(to: host)
                try await early.write(bytes: [4, 5])
                #expect(try await early.readExactly(2) == ByteBuffer(bytes: [4, 5]))
                try await dialer.echo(1 << 20)
                // Twice where the first challenge had no room to show that the path takes full packets.
                #expect(try await listening.fromSession { (1...2).contains($0.validatedPaths) } == true)
                #expect(try await listening.fromSession { $0.remote.multiaddr } == relay.seen)
                try await early.finish()
            }
            try await relay.close()
        }

        @Test("A path that takes less and less, in idle times too, ends no transfer", arguments: [false, true])
        func narrowing(isIdle: Bool) async throws {
            let (relay, pair) = try await self.connect(try await QUICNode(), try await QUICNode())
            let listening = pair.listener
            try await pair.dialer.whileEchoing(listening) { dialer in
                try await dialer.echo(4 << 20)
                #expect(try await dialer.fromSession { $0.pathSize.limit } == .some(nil))
                for size in [1_392, 1_252] {
                    let started = NIODeadline.now()
                    if isIdle {
                        relay.narrow(to: size)
                        try await dialer.echo(1 << 20)
                    } else {
                        async let echo: Void = dialer.echo(4 << 20)
                        relay.narrow(to: size)
                        try await echo
                    }
                    // Seconds where the machine is idle; without the mechanism it is over with the idle time.
                    #expect(NIODeadline.now() - started < .seconds(20))
                    #expect(relay.dropped > 0)
                    for side in [dialer, listening] {
                        let limit = try await side.fromSession { $0.pathSize.limit }
                        #expect(try #require(limit ?? nil) <= size)
                    }
                }
            }
            try await relay.close()
        }

        @Test("A path that widens again has its large packets back")
        func widening() async throws {
            let (relay, pair) = try await self.connect(try await QUICNode(), try await QUICNode())
            try await pair.dialer.whileEchoing(pair.listener) { dialer in
                try await dialer.echo(4 << 20)
                relay.narrow(to: 1_252)
                try await dialer.echo(1 << 20)
                #expect(try await dialer.fromSession { $0.pathSize.limit != nil } == true)
                relay.narrow(to: .max)
                let deadline = NIODeadline.now() + .seconds(30)
                while try await dialer.fromSession({ $0.pathSize.limit != nil }) == true, NIODeadline.now() < deadline {
                    try await dialer.echo(100_000)
                }
                #expect(try await dialer.fromSession { $0.pathSize.limit } == .some(nil))
            }
            try await relay.close()
        }

        @Test("A reader that fails is made again, and connections notice nothing", arguments: [EIO, EPERM, ENOBUFS, ENETDOWN])
        func reading(number: CInt) async throws {
            let pair = try await QUICNode().connect(to: try await QUICNode())
            try await pair.dialer.whileEchoing(pair.listener) { dialer in
                for _ in 0..<3 {
                    let endpoint = try #require(try await dialer.fromSession { $0.endpoint })
                    let reader = try #require(try await endpoint.eventLoop.submit { endpoint.state.reader }.get())
                    try await endpoint.eventLoop.submit {
                        reader.pipeline.fireErrorCaught(IOError(errnoCode: number, reason: "recvmmsg"))
                    }.get()
                    try await reader.close()
                    try await dialer.echo(100_000)
                }
            }
        }

        @Test("A socket that can't get well ends its connections, and lets go of its port")
        func failing() async throws {
            let pair = try await QUICNode().connect(to: try await QUICNode())
            let endpoint = try #require(try await pair.listener.fromSession { $0.endpoint })
            let reader = try #require(try await endpoint.eventLoop.submit { endpoint.state.reader }.get())
            try await endpoint.eventLoop.submit {
                reader.pipeline.fireErrorCaught(IOError(errnoCode: EINVAL, reason: "recvmmsg"))
            }.get()
            try await reader.close()
            while try await pair.listener.fromSession({ _ in true }) != nil { await Task.yield() }
            let again = try await QUICNode().transport.listen(on: endpoint.address.multiaddr)
            #expect(again.addresses == [endpoint.address.multiaddr])
            await pair.dialer.close(.normal, grace: .zero)
        }

        @Test("Packets carry congestion marks for as long as the path does", arguments: [true, false])
        func marks(path keepsMarks: Bool) async throws {
            let log = LogLines(with: ["ECN"])
            let (relay, pair) = try await self.connect(
                try await QUICNode(logger: log.logger), try await QUICNode(), keepsMarks: keepsMarks)
            try await pair.dialer.whileEchoing(pair.listener) { try await $0.echo(1 << 20) }
            #expect(relay.marks.contains(.transportCapableFlag0))
            #expect(log.count(with: "path is ECN capable") == (keepsMarks ? 1 : 0))
            let last = Set(relay.marks.suffix(100))
            #expect(last == [keepsMarks ? .transportCapableFlag0 : .transportNotCapable])
            try await relay.close()
        }

        @Test("The congestion control that was asked for is the one at work", arguments: [QUICConfiguration.CongestionControl.cubic, .bbr])
        func congestion(_ control: QUICConfiguration.CongestionControl) async throws {
            var configuration = QUICConfiguration()
            configuration.congestionControl = control
            let log = LogLines(with: ["bbr", "slow start cwnd"])
            let pair = try await QUICNode(configuration, logger: log.logger).connect(to: try await QUICNode(configuration))
            try await pair.dialer.whileEchoing(pair.listener) { try await $0.echo(20_000_000) }
            #expect((log.count(with: "bbr") > 0) == (control == .bbr))
            #expect((log.count(with: "slow start cwnd") > 0) == (control == .cubic))
        }
    }
#endif
