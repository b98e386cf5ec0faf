#if !TLS
    import P2P
    import P2PCore
    import Testing

    @Suite("Without the package trait TLS")
    struct NotBuiltInTests {
        @Test("A host speaks Noise, and what needs TLS says which trait is missing")
        func tls() async throws {
            var configuration = StandardConfiguration()
            #expect(configuration.security.map(\.protocolID) == [Noise().protocolID])
            let host = try await PeerHost.standard(configuration: configuration)
            try await host.running { host in
                let error = await #expect(throws: DialError.self) { try await host.connect(to: "/ip4/127.0.0.1/tcp/9/tls/ws") }
                #expect("\(error as Any)".contains("trait TLS"))
            }
            configuration.security = [TLS()]
            let error = await #expect(throws: (any Error).self) { try await PeerHost.standard(configuration: configuration) }
            #expect("\(error as Any)".contains("trait TLS"))
        }
    }
#endif
