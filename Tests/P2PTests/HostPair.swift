import P2P
import Testing

/// Two hosts that run, and the listener's address. Afterwards neither holds anything.
func withHosts(
    dialer dialerConfiguration: StandardConfiguration = StandardConfiguration(),
    listener listenerConfiguration: StandardConfiguration = StandardConfiguration(),
    _ body: @escaping @Sendable (_ dialer: PeerHost, _ listener: PeerHost, _ address: Multiaddr) async throws -> Void
) async throws {
    let listener = try await PeerHost.standard(
        identity: try PrivateKey.generate(.ed25519), configuration: listenerConfiguration,
        modules: .standard.adding(EchoProtocol(), Hello()))
    let dialer = try await PeerHost.standard(identity: try PrivateKey.generate(.ed25519), configuration: dialerConfiguration)
    let address = try #require(try await listener.listen(on: Multiaddr("/ip4/127.0.0.1/tcp/0")).first)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await listener.run() }
        group.addTask { try await dialer.run() }
        await dialer.waitUntilRunning()
        try await body(dialer, listener, address)
        dialer.shutDown()
        listener.shutDown()
        try await group.waitForAll()
    }
    #expect(listener.statistics().connections == 0)
    #expect(listener.statistics().tasks == 0)
    #expect(dialer.statistics().connections == 0)
    #expect(dialer.statistics().tasks == 0)
}
