#if QUIC
    import NIOCore
    import P2PCore
    import P2PMultiaddr
    import Testing

    @testable import P2PQUIC

    @Suite("Where QUIC dials from", .timeLimit(.minutes(1)))
    struct QUICDialTests {
        /// A listener that accepts everybody, while `body` runs; its socket is closed after that.
        private func listen(
            _ node: QUICNode, on address: String = "/ip4/127.0.0.1/udp/0/quic-v1",
            _ body: @escaping @Sendable (Multiaddr, Inbox<ConnectionInfo, Never>) async throws -> Void
        ) async throws {
            let listening = try await node.transport.listen(on: try Multiaddr(address))
            let accepted = Inbox<ConnectionInfo, Never>(limit: 8)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await listening.run { arrival in
                        if let connection = try? await arrival.accept() { _ = accepted.offer(connection.info) }
                    }
                }
                defer { group.cancelAll() }
                try await body(try #require(listening.addresses.first), accepted)
            }
        }

        /// A port that is free, and that nobody gets who asks for any: the system gives those from higher ones.
        private func freePort() async throws -> UInt16 {
            while true {
                let port = UInt16.random(in: 20_000..<32_000)
                do {
                    try await self.listen(try await QUICNode(), on: "/ip4/0.0.0.0/udp/\(port)/quic-v1") { _, _ in }
                    return port
                } catch let error as TransportError where error.code == .addressInUse {}
            }
        }

        private func options(from local: Multiaddr? = nil, role: ConnectionRole = .dialer) -> DialOptions {
            DialOptions(deadline: .now() + .seconds(30), role: role, localAddress: local)
        }

        @Test("A node that listens dials from that socket, so that the peer sees where it listens")
        func fromListener() async throws {
            let (one, two) = (try await QUICNode(), try await QUICNode())
            try await self.listen(one) { own, _ in
                try await self.listen(two) { address, accepted in
                    let connection = try await one.transport.dial(address, expecting: two.peer, options: self.options())
                    #expect(connection.info.localAddress == own)
                    #expect(await accepted.next()?.remoteAddress == own)
                    await connection.close(.normal, grace: .zero)
                }
            }
        }

        @Test("It dials from the port that it is told, beside the one that it listens on, and from the address")
        func fromLocalAddress() async throws {
            let (one, two) = (try await QUICNode(), try await QUICNode())
            let port = try await self.freePort()
            try await self.listen(one) { _, _ in
                try await self.listen(two) { address, accepted in
                    for ip in ["0.0.0.0", "127.0.0.2"] {
                        let local = try Multiaddr("/ip4/\(ip)/udp/\(port)/quic-v1")
                        let connection = try await one.transport.dial(address, expecting: two.peer, options: self.options(from: local))
                        let seen = try #require(await accepted.next()?.remoteAddress)
                        #expect(seen.udpEndpoint?.port == port)
                        #expect(seen == connection.info.localAddress)
                        #expect(seen.ipAddress?.description == (ip == "0.0.0.0" ? "127.0.0.1" : ip))
                        await connection.close(.normal, grace: .zero)
                    }
                }
            }
        }

        @Test(
            "What it can't do it refuses, and does not ignore",
            arguments: [
                ("/ip4/127.0.0.1/tcp/4001", ConnectionRole.dialer), ("/ip6/::1/udp/0/quic-v1", .dialer),
                ("/dns4/localhost/udp/0/quic-v1", .dialer),
                ("/ip4/127.0.0.1/udp/0/quic-v1", .listener),
            ])
        func refused(local: String, role: ConnectionRole) async throws {
            let node = try await QUICNode()
            let options = self.options(from: try Multiaddr(local), role: role)
            await #expect(throws: TransportError(.unsupportedOptions, "")) {
                try await node.transport.dial(try Multiaddr("/ip4/127.0.0.1/udp/1/quic-v1"), expecting: nil, options: options)
            }
        }

        @Test("A port that somebody else has is an error that says so")
        func taken() async throws {
            let (one, two, other) = (try await QUICNode(), try await QUICNode(), try await QUICNode())
            try await self.listen(other) { taken, _ in
                try await self.listen(two) { address, _ in
                    await #expect(throws: TransportError(.addressInUse, "")) {
                        try await one.transport.dial(address, expecting: two.peer, options: self.options(from: taken))
                    }
                }
            }
        }
    }
#endif
