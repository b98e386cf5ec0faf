import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2P

@Suite("A host beside the proxy of the environment", .timeLimit(.minutes(1)))
struct EnvironmentProxyTests {
    @Test("A proxy of the environment governs dials: QUIC dials what it excepts, and both QUIC and local discovery run")
    func proxiedByTheEnvironment() async throws {
        var configuration = StandardConfiguration()
        configuration.surroundings.proxy = ProxySetting.inEnvironment(["ALL_PROXY": "socks5://127.0.0.1:1"])
        configuration.surroundings.proxyBypass = ProxyBypass("127.0.0.2")
        let host = try await PeerHost.standard(configuration: configuration, modules: .standard.adding(MDNS()))
        async let running: Void = host.run()
        await host.waitUntilRunning()
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        func refusal(_ address: Multiaddr) async throws -> TransportError? {
            let error = await #expect(throws: DialError.self) {
                _ = try await host.connect(to: address.withPeerID(peer), timeout: .seconds(1))
            }
            return error?.attempts.first?.error
        }
        for text in ["/ip4/127.0.0.1/udp/4001/quic-v1", "/dns4/example.invalid/udp/4001/quic-v1"] {
            let error = try await refusal(try Multiaddr(text))
            #expect(error?.code == .unsupportedAddress && error?.message.contains("ALL_PROXY") == true, "\(text)")
        }
        if QUIC.isBuiltIn {
            _ = try await host.listen(on: "/ip4/127.0.0.1/udp/0/quic-v1")
            let error = try await refusal("/ip4/127.0.0.2/udp/9/quic-v1")
            #expect(error?.message.contains("ALL_PROXY") == false)
        }
        host.shutDown()
        try await running
    }

    @Test("Where everything goes around the proxy of the environment, there is none")
    func proxiedByNobody() async throws {
        var surroundings = Surroundings(proxy: .inEnvironment(["ALL_PROXY": "socks5://127.0.0.1:1"]), proxyBypass: ProxyBypass("a, *"))
        #expect(try surroundings.facts() == HostSurroundings())
        #expect(surroundings.detour.isEmpty)
        surroundings.proxyBypass = ProxyBypass("a")
        #expect(try surroundings.facts().isProxied)
        #expect(try !surroundings.facts().isConfined)
        surroundings.proxy = ProxySetting(try ProxyURL("https://a"))
        #expect(try surroundings.facts().isConfined)
    }
}
