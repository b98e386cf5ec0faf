import P2P
import P2PPipeline
import Testing

@Suite("The standard host", .timeLimit(.minutes(1)))
struct StandardHostTests {
    @Test("The example of the README greets over TCP, Noise and yamux")
    func greets() async throws {
        try await withHosts { dialer, listener, address in
            #expect(try await greet("Ada", at: address, as: dialer) == "Hello Ada, your key is proved: \(dialer.peerID)")
            let connection = try #require(dialer.connections().first)
            #expect(connection.remotePeer == listener.peerID)
            #expect(connection.security == "/noise")
            #expect(connection.muxer == "/yamux/1.0.0")
        }
    }

    @Test(
        "A peer that speaks TLS alone is reached, and reaches others, with the defaults on the other side", .enabled(if: TLS.isBuiltIn),
        arguments: [true, false])
    func tls(isListener: Bool) async throws {
        var other = StandardConfiguration()
        other.security = [TLS()]
        other.appMetadata = [4, 2]
        let ours = StandardConfiguration()
        try await withHosts(dialer: isListener ? ours : other, listener: isListener ? other : ours) { dialer, listener, address in
            #expect(try await greet("Ada", at: address, as: dialer) == "Hello Ada, your key is proved: \(dialer.peerID)")
            let connection = try #require((isListener ? dialer : listener).connections().first)
            #expect(connection.security == "/tls/1.0.0")
            #expect(connection.muxer == "/yamux/1.0.0")
            #expect(connection.wasMuxerEarly)
            #expect(connection.appMetadata == [4, 2])
        }
    }

    private static func configuration(security: [any SecureChannelModule] = [Noise()], muxers: [any StreamMuxer] = [Yamux()])
        -> StandardConfiguration
    {
        var configuration = StandardConfiguration()
        configuration.security = security
        configuration.muxers = muxers
        return configuration
    }

    @Test(
        "The dialer's order of muxers decides, and both sides know what was agreed and that it was early",
        arguments: [
            ("ym", "my", "/yamux/1.0.0"), ("my", "ym", "/mplex/6.7.0"), ("ym", "m", "/mplex/6.7.0"),
        ])
    func muxers(dialer: String, listener: String, agreed: String) async throws {
        let muxers: [Character: any StreamMuxer] = ["y": Yamux(), "m": Mplex()]
        try await withHosts(
            dialer: Self.configuration(muxers: dialer.compactMap { muxers[$0] }),
            listener: Self.configuration(muxers: listener.compactMap { muxers[$0] })
        ) { dialer, listener, address in
            let connection = try await dialer.connect(to: address)
            #expect(connection.muxer.name == agreed && connection.wasMuxerEarly)
            #expect(connection.security == "/noise" && PeerID(connection.remoteKey) == listener.peerID)
            #expect(try await greet("Ada", at: address, as: dialer).hasPrefix("Hello Ada"))
            let accepted = try #require(listener.connections().first)
            #expect(accepted.muxer.name == agreed && accepted.wasMuxerEarly && accepted.security == "/noise")
            #expect(PeerID(accepted.remoteKey) == dialer.peerID)
        }
    }

    @Test("Plaintext, asked for by name on both sides, says what it is; its muxer is not early")
    func plaintext() async throws {
        let configuration = Self.configuration(security: [InsecurePlaintext()])
        try await withHosts(dialer: configuration, listener: configuration) { dialer, listener, address in
            let connection = try await dialer.connect(to: address)
            #expect(connection.security == "/plaintext/2.0.0" && !connection.wasMuxerEarly)
            #expect(PeerID(connection.remoteKey) == listener.peerID)
            #expect(try await greet("Ada", at: address, as: dialer).hasPrefix("Hello Ada"))
        }
    }

    @Test("Sides that share no muxer, or of which one speaks plaintext alone, get an error that names what was offered")
    func nothingInCommon() async throws {
        for (configuration, name) in [
            (Self.configuration(muxers: [Mplex()]), "/mplex/6.7.0"),
            (Self.configuration(security: [InsecurePlaintext()]), "/plaintext/2.0.0"),
        ] {
            try await withHosts(dialer: configuration) { dialer, _, address in
                let error = await #expect(throws: DialError.self) { _ = try await dialer.connect(to: address) }
                #expect(error?.attempts.map(\.error.code) == [.negotiationFailed])
                #expect(error?.attempts.first?.error.message.contains(name) == true)
                #expect(dialer.connections().isEmpty)
            }
        }
    }

    @Test("What is named twice, and plaintext beside a secure channel, is refused with the reason")
    func contradictions() async throws {
        let identity = try PrivateKey.generate(.ed25519)
        for (configuration, reason) in [
            (Self.configuration(security: [Noise(), Noise()]), "/noise is named twice"),
            (Self.configuration(muxers: [Yamux(), Mplex(), Yamux()]), "/yamux/1.0.0 is named twice"),
            (Self.configuration(security: [Noise(), InsecurePlaintext()]), "must be the only secure channel"),
            (Self.configuration(security: []), "at least one secure channel"),
            (Self.configuration(muxers: []), "at least one stream muxer"),
        ] {
            let error = await #expect(throws: TransportError.self) {
                _ = try await PeerHost.standard(identity: identity, configuration: configuration)
            }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains(reason) == true)
        }
    }

    @Test("With a proxy neither QUIC nor local discovery goes around it")
    func proxied() async throws {
        var configuration = StandardConfiguration()
        configuration.surroundings.proxy = ProxySetting(try ProxyURL("socks5://127.0.0.1:1"))
        let identity = try PrivateKey.generate(.ed25519)
        let host = try await PeerHost.standard(identity: identity, configuration: configuration)
        async let running: Void = host.run()
        await host.waitUntilRunning()
        for text in ["/ip4/127.0.0.1/udp/4001/quic-v1", "/dns4/example.invalid/tcp/4001"] {
            let address = try Multiaddr(text).withPeerID(PeerID(try PrivateKey.generate(.ed25519).publicKey))
            let error = await #expect(throws: DialError.self) { _ = try await host.connect(to: address) }
            #expect(error?.attempts.first?.error.message.contains("proxy") == true, "\(address)")
        }
        host.shutDown()
        try await running

        for module in [MDNS(), MDNSDiscovery(peer: PeerID(identity.publicKey))] as [any HostModule] {
            let error = await #expect(throws: TransportError.self) {
                _ = try await PeerHost.standard(identity: identity, configuration: configuration, modules: .standard.adding(module))
            }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains("proxy") == true)
        }
    }

    @Test("A proxy that something in the list would go around is refused", arguments: [true, false])
    func bypassed(isSaid: Bool) async throws {
        let url = try ProxyURL("socks5://127.0.0.1:1")
        var configuration = StandardConfiguration()
        if isSaid { configuration.surroundings.proxy = ProxySetting(url) }
        let error = await #expect(throws: TransportError.self) {
            _ = try await PeerHost.standard(configuration: configuration, modules: .standard.adding(Proxy(url)))
        }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains(isSaid ? "before the proxy" : "isProxied") == true)
    }

    @Test("The preset offers neither plaintext nor mplex")
    func preset() {
        #expect(StandardConfiguration().security.map(\.protocolID) == ["/noise", "/tls/1.0.0"])
        #expect(StandardConfiguration().muxers.map(\.protocolID) == ["/yamux/1.0.0"])
    }

    @Test("Peers introduce themselves, each to the other")
    func identifies() async throws {
        try await withHosts { dialer, listener, address in
            let events = dialer.events()
            _ = try await dialer.connect(to: address)
            for await event in events {
                guard case .identified(let connection, let introduction) = event else { continue }
                #expect(connection.remotePeer == listener.peerID)
                #expect(introduction.agentVersion == "swift-p2p/0.1.0")
                #expect(introduction.protocols.contains("/hello/1.0.0"))
                #expect(introduction.listenAddresses == [address.withoutPeerID])
                #expect(introduction.signedRecord != nil)
                break
            }
        }
    }

    @Test("A wrong peer id is refused, and the error names the address")
    func wrongPeer() async throws {
        try await withHosts { dialer, _, address in
            let other = PeerID(try PrivateKey.generate(.ed25519).publicKey)
            let error = await #expect(throws: DialError.self) { try await dialer.connect(to: address.withPeerID(other)) }
            #expect(error?.code == .peerMismatch)
            #expect(error?.attempts.map(\.error.code) == [.peerMismatch])
            #expect(error?.message.contains(address.withoutPeerID.description) == true)
        }
    }

    @Test("Echo and ping answer")
    func echoes() async throws {
        try await withHosts { dialer, listener, address in
            let connection = try await dialer.connect(to: address)
            let stream = try await dialer.openStream(on: connection.id, protocols: [EchoProtocol.id])
            try await stream.write(text: "again")
            try await stream.finish()
            #expect(try await stream.readText(upTo: 100) == "again")
            let pinger = Pinger(listener.peerID, opening: dialer)
            _ = try await pinger.ping()
            await pinger.close()
        }
    }
}
