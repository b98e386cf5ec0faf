#if QUIC
    import NIOCore
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr
    import P2PMuxing
    import P2PTesting
    import Testing

    @testable import P2PQUIC

    @Suite("What a QUIC host bounds and renews", .timeLimit(.minutes(2)))
    struct QUICLimitTests {
        @Test("A peer may reset so many streams in a while; the next one ends its connection")
        func resets() async throws {
            var configuration = QUICConfiguration()
            configuration.maximumResets = 40
            configuration.resetPeriod = .seconds(3_600)
            let pair = try await QUICNode().connect(to: try await QUICNode(configuration))
            try await pair.dialer.whileEchoing(pair.listener) { dialer in
                for number in 0...40 {
                    let stream = try await dialer.openStream()
                    try await stream.write(bytes: [1])
                    #expect(try await stream.readExactly(1) != nil, "stream \(number)")
                    stream.reset(.cancelled)
                }
                do {
                    var streams = dialer.inboundStreams.makeAsyncIterator()
                    _ = try await streams.next()
                    Issue.record("the connection did not fail")
                } catch let error as ConnectionError {
                    #expect(error.code == .closedByPeer)
                    #expect(error.message.contains("0x1002"), "\(error)")
                }
            }
        }

        @Test("Streams that we want no more of count for nothing, however they end")
        func ownResets() async throws {
            var configuration = QUICConfiguration()
            configuration.maximumResets = 5
            configuration.resetPeriod = .seconds(3_600)
            let pair = try await QUICNode(configuration).connect(to: try await QUICNode())
            try await pair.dialer.whileEchoing(pair.listener) { dialer in
                for number in 0..<20 {
                    let stream = try await dialer.openStream()
                    try await stream.write(bytes: [1])
                    #expect(try await stream.readExactly(1) != nil, "stream \(number)")
                    if number.isMultiple(of: 2) { stream.reset() } else { stream.stopReading() }
                }
                try await dialer.echo(1_000)
            }
        }

        @Test("Without a budget, windows stay as they are and everything arrives; what was taken of one goes back at the end")
        func budget() async throws {
            for budget in [MemoryBudget(limit: 0), MemoryBudget(limit: 64 << 20)] {
                let pair = try await QUICNode().connect(to: try await QUICNode(windowBudget: budget))
                let listener = pair.listener
                try await pair.dialer.whileEchoing(listener) { dialer in
                    try await dialer.echo(20_000_000)
                    #expect(try await listener.fromSession { Int($0.window.growth) } == budget.reserved)
                    #expect(budget.reserved <= budget.limit)
                }
                #expect(budget.reserved == 0)
            }
        }

        @Test("A name is looked up, and each of its addresses is tried", arguments: ["dns", "dns4"])
        func names(kind: String) async throws {
            let pair = try await QUICNode().connect(to: try await QUICNode()) { address in
                try Multiaddr("/\(kind)/localhost/udp/\(try #require(address.udpEndpoint?.port))/quic-v1")
            }
            #expect(pair.dialer.info.remoteAddress.ipAddress == .loopbackV4)
            try await pair.dialer.whileEchoing(pair.listener) { try await $0.echo(1_000) }
        }

        @Test("A silence that the presets allow has room for a question that is lost", arguments: [QUICConfiguration.server, .mobile])
        func presets(configuration: QUICConfiguration) throws {
            #expect(try #require(configuration.keepAliveInterval) * 2 <= configuration.idleTimeout)
            guard let interval = configuration.busyKeepAliveInterval, let patience = configuration.busyPatience else { return }
            #expect(interval * 2 <= patience)
            #expect(interval + patience < .seconds(10))
            #expect(try #require(configuration.keepAliveInterval) + configuration.idleTimeout <= .seconds(45))
        }
    }
#endif
