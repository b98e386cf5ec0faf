#if QUIC
    import NIOCore
    import NIOEmbedded
    import P2PCore
    import P2PQUIC
    import Testing

    @testable import P2PFuzzing

    /// A fuzz target whose packets nobody can open finds nothing, and says so of everything.
    @Suite("The peer of a fuzzed QUIC connection", .serialized)
    struct QUICForgerTests {
        private let channel = EmbeddedChannel()
        private let feed: QUICEndpointFeed
        private let application: MuxedApplication
        private let forger: QUICForger

        /// A connection, with the endpoint in this role.
        private init(_ role: ConnectionRole) throws {
            self.feed = try QUICEndpointFeed(channel: self.channel, identity: .vector)
            self.forger = QUICForger(self.feed, role, identity: .vector)
            self.application = MuxedApplication(
                try #require(self.feed.connections.first), executor: self.feed.executor, loop: self.channel.embeddedEventLoop)
        }

        init() throws { try self.init(.listener) }

        private func send(_ write: (inout QUICFrames) -> Void) throws {
            var frames = QUICFrames()
            write(&frames)
            self.feed.receive(try #require(self.forger.packet(frames.bytes)), fromPort: self.forger.port, ecn: 0)
            self.channel.embeddedEventLoop.run()
        }

        private func leave() {
            self.feed.finish()
            self.channel.embeddedEventLoop.advanceTime(by: .hours(1))
            self.application.checkOver()
            #expect(self.feed.remains == 0)
        }

        @Test("What it seals is opened, on streams of either role", arguments: [ConnectionRole.listener, .dialer])
        func bytes(role: ConnectionRole) throws {
            let pair = try QUICForgerTests(role)
            let id: UInt64 = role == .listener ? 0 : 1
            let content = Array(FuzzPattern.bytes(at: 0, count: 100).readableBytesView)
            // The second half first, and twice.
            for part in [50..<100, 0..<50, 50..<100] {
                try pair.send { $0.stream(id, at: UInt64(part.lowerBound), Array(content[part]), isLast: part.upperBound == 100) }
            }
            pair.application.accept()
            #expect(pair.application.held.count == 1)
            #expect(pair.application.read(1_000, from: 0, isChecked: true))
            #expect(pair.application.held.first?.read == 100)
            #expect(!pair.application.read(1_000, from: 0, isChecked: true))
            #expect(pair.application.held.first?.hasEnded == true)
            pair.leave()
        }

        @Test("A reset reaches the stream, and a close the connection")
        func endings() throws {
            try self.send { $0.stream(0, at: 0, [1], isLast: false) }
            try self.send { $0.stream(4, at: 0, [1], isLast: false) }
            self.application.accept()
            #expect(self.application.held.count == 2)
            try self.send { $0.reset(0, code: 7, size: 1) }
            let broken = self.application.held.indices.filter { index in
                while self.application.read(10, from: index, isChecked: false) {}
                return self.application.held[index].isBroken
            }
            #expect(broken.count == 1)
            try self.send { $0.close(isApplication: true, code: 3, reason: [65]) }
            #expect(self.application.streamCount == 0)
            self.leave()
        }

        @Test(
            "What breaks a rule ends the connection",
            arguments: [
                // A stream beyond the limit, bytes beyond the window, a stream of ours that is not open, a frame that does not exist.
                [0x0e, 0x80, 0x01, 0x00, 0x00, 0, 0], [0x0e, 0, 0x80, 0x40, 0, 0, 1, 9], [0x05, 1, 0], [0x3f],
            ] as [[UInt8]])
        func rules(frames: [UInt8]) throws {
            try self.send { $0.stream(0, at: 0, [1], isLast: false) }
            #expect(self.application.streamCount == 1)
            try self.send { $0.raw(frames) }
            #expect(self.application.streamCount == 0)
            self.leave()
        }
    }
#endif
