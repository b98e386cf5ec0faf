#if TLS
    import Logging
    import NIOCore
    import NIOPosix
    import P2PCore
    import P2PMultiaddr
    import P2PPipeline
    import P2PTCP
    import P2PWebTLS
    import Testing

    @testable import P2PWebSocket

    @Suite("WebSockets over TLS")
    struct SecureTests {
        private func transport(_ trust: WebSocketTLS.Trust, showing files: CertificateFiles? = nil) -> WebSocketTransport {
            var configuration = WebSocketConfiguration()
            configuration.tls.trust = trust
            configuration.tls.certificate = files.map { .init(chainFile: $0.chain, keyFile: $0.key) }
            return WebSocketTransport(over: TCPTransport(), configuration: configuration)
        }

        @Test("Two WebSockets can't connect to each other at once: neither would answer")
        func noSimultaneousConnect() async throws {
            let options = DialOptions(deadline: .now() + .seconds(20), role: .listener)
            await #expect(throws: TransportError(.unsupportedOptions, "")) {
                try await WebSocketTransport(over: TCPTransport()).connect(to: try Multiaddr("/ip4/127.0.0.1/tcp/1/ws"), options: options)
            }
        }

        /// Runs the preparations of both ends and sends a few bytes each way.
        private func meet(
            _ dialer: WebSocketTransport, _ listener: WebSocketTransport, on address: String = "/ip4/127.0.0.1/tcp/0/tls/ws",
            dialing change: @Sendable (Multiaddr) throws -> Multiaddr = { $0 }
        ) async throws -> (dialer: Multiaddr, listener: Multiaddr) {
            let bound = try await listener.bind(to: try Multiaddr(address))
            let arrivals = Inbox<ByteChannel, Never>(limit: 1)
            return try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await bound.run { _ = arrivals.offer($0) } }
                defer { group.cancelAll() }
                let dialled = try await dialer.connect(
                    to: try change(try #require(bound.addresses.first)), options: DialOptions(deadline: .now() + .seconds(20)))
                let accepted = try #require(await arrivals.next())
                async let server = Self.firstBytes(of: accepted, saying: [4, 5, 6])
                let atClient = try await Self.firstBytes(of: dialled, saying: [1, 2, 3])
                let atServer = try await server
                #expect(atClient == [4, 5, 6])
                #expect(atServer == [1, 2, 3])
                try? await dialled.channel.close()
                return (dialled.remoteAddress, accepted.localAddress)
            }
        }

        private static func firstBytes(of bytes: ByteChannel, saying words: [UInt8]) async throws -> [UInt8] {
            let channel = bytes.channel
            let promise = channel.eventLoop.makePromise(of: [UInt8].self)
            try await channel.eventLoop.submit {
                prepare(channel, bytes.preparations[...]) { result in
                    do {
                        try result.get()
                        try channel.pipeline.syncOperations.addHandler(FirstBytes(count: 3, promise: promise))
                        channel.writeAndFlush(ByteBuffer(bytes: words), promise: nil)
                    } catch {
                        promise.fail(error)
                        channel.close(promise: nil)
                    }
                }
                try channel.syncOptions?.setOption(.autoRead, value: true)
            }.get()
            return try await promise.futureResult.get()
        }

        private final class FirstBytes: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            private let count: Int
            private let promise: EventLoopPromise<[UInt8]>
            private var bytes: [UInt8] = []

            init(count: Int, promise: EventLoopPromise<[UInt8]>) {
                self.count = count
                self.promise = promise
            }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                self.bytes += Array(self.unwrapInboundIn(data).readableBytesView)
                if self.bytes.count >= self.count { self.promise.succeed(self.bytes) }
            }

            func handlerRemoved(context: ChannelHandlerContext) { self.promise.fail(ChannelError.eof) }
        }

        @Test(
            "Whoever is told of the authority connects, and so does who believes anybody",
            arguments: ["/ip4/127.0.0.1/tcp/0/tls/ws", "/ip4/127.0.0.1/tcp/0/wss", "/ip6/::1/tcp/0/tls/ws"])
        func trusted(address: String) async throws {
            let files = try CertificateFiles()
            let listener = self.transport(.systemRoots, showing: files)
            for trust in [WebSocketTLS.Trust.authorities(pemFile: files.chain), .anybody] {
                let ends = try await self.meet(self.transport(trust), listener, on: address)
                #expect(ends.dialer == ends.listener)
                #expect("\(ends.dialer)".hasSuffix(address.hasSuffix("wss") ? "/wss" : "/tls/ws"))
            }
        }

        @Test("A name is checked, be it the address's own or the one it says to ask for")
        func names() async throws {
            // It is for the IP address as well, and that is not what is asked for.
            let files = try CertificateFiles()
            let dialer = self.transport(.authorities(pemFile: files.chain))
            let listener = self.transport(.systemRoots, showing: files)
            let port: @Sendable (Multiaddr) -> UInt16 = { $0.tcpEndpoint?.port ?? 0 }
            for text in ["/dns4/localhost/tcp/PORT/tls/ws", "/ip4/127.0.0.1/tcp/PORT/tls/sni/localhost/ws"] {
                _ = try await self.meet(dialer, listener) { try Multiaddr(text.replacing("PORT", with: "\(port($0))")) }
            }
            for name in ["example.org", "localhost.example.org", "ocalhost", "xlocalhost"] {
                let error = await #expect(throws: TransportError.self) {
                    try await self.meet(dialer, listener) { try Multiaddr("/ip4/127.0.0.1/tcp/\(port($0))/tls/sni/\(name)/ws") }
                }
                #expect(error?.code == .securityFailed && error?.message.contains(name) == true)
            }
        }

        @Test("An address of which the certificate says nothing is refused, whatever names it has")
        func addresses() async throws {
            let files = try CertificateFiles()
            try files.write(TestCertificates.second, TestCertificates.secondKey)
            let (dialer, listener) = (self.transport(.authorities(pemFile: files.chain)), self.transport(.systemRoots, showing: files))
            await #expect(throws: TransportError(.securityFailed, "")) { try await self.meet(dialer, listener) }
            _ = try await self.meet(self.transport(.anybody), listener)
        }

        @Test("A certificate that nobody vouches for is refused by default")
        func untrusted() async throws {
            let files = try CertificateFiles()
            await #expect(throws: TransportError(.securityFailed, "")) {
                try await self.meet(self.transport(.systemRoots), self.transport(.systemRoots, showing: files))
            }
        }

        @Test("A renewed certificate is read; half a renewal is not")
        func renewal() throws {
            let files = try CertificateFiles()
            let certificate = try ServerCertificate(
                .init(chainFile: files.chain, keyFile: files.key), logger: Logger(label: "test"))
            #expect(try certificate.reload() == false)
            try files.write(TestCertificates.second, TestCertificates.firstKey)
            #expect(throws: (any Error).self) { try certificate.reload() }
            try files.write(TestCertificates.second, TestCertificates.secondKey)
            #expect(try certificate.reload())
            #expect(try certificate.reload() == false)
        }

        @Test("Without a certificate there is no listening with TLS, and a missing file is named")
        func noCertificate() async throws {
            let address = Multiaddr("/ip4/127.0.0.1/tcp/0/tls/ws")
            let bare = self.transport(.systemRoots)
            #expect(bare.canListen(on: address) && bare.canDial(address))
            let refusal = await #expect(throws: TransportError.self) { try await bare.bind(to: address) }
            #expect(
                refusal?.code == .invalidConfiguration && refusal?.message.contains("--tls-cert") == true, "\(String(describing: refusal))")
            var configuration = WebSocketConfiguration()
            configuration.tls.certificate = .init(chainFile: "/nonexistent/chain.pem", keyFile: "/nonexistent/key.pem")
            let transport = WebSocketTransport(over: TCPTransport(), configuration: configuration)
            await #expect(throws: TransportError(.securityFailed, "")) { try await transport.bind(to: address) }
        }
    }
#endif
