import P2P

/// Two hosts on loopback that serve every built-in protocol, and an address to dial.
struct Pair {
    let dialer: PeerHost
    let listener: PeerHost
    let address: Multiaddr

    /// Runs `body` while both hosts run.
    static func run<Value: Sendable>(_ stack: Stack, _ body: @escaping @Sendable (Pair) async throws -> Value) async throws -> Value {
        let listener = try await Self.host(stack)
        let dialer = try await Self.host(stack)
        let addresses = try await listener.listen(on: try Multiaddr(stack.listenAddress))
        let pair = Pair(dialer: dialer, listener: listener, address: addresses[0])
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            group.addTask { try await dialer.run() }
            await listener.waitUntilRunning()
            await dialer.waitUntilRunning()
            let value = try await body(pair)
            group.cancelAll()
            return value
        }
    }

    /// A connection of its own, even if there is one.
    func connect() async throws -> PeerConnection {
        try await self.dialer.connect(toAnyPeerAt: self.address.withoutPeerID)
    }

    /// A host with a key of its own and limits that don't get in the way.
    static func host(_ stack: Stack) async throws -> PeerHost {
        var configuration = StandardConfiguration()
        configuration.security = [stack.security == "tls" ? TLS() : Noise()]
        configuration.host.limits.connections = 20_000
        configuration.host.limits.connectionsPerPeer = 20_000
        configuration.host.limits.connectionsPerAddress = 20_000
        configuration.host.limits.inboundStreamsPerPeer = 100_000
        configuration.host.limits.pendingInboundPerAddress = 256
        configuration.host.limits.memory = 1 << 34
        return try await PeerHost.standard(
            identity: try PrivateKey.generate(.ed25519), configuration: configuration,
            modules: .standard.adding(EchoProtocol(), PerfProtocol()))
    }
}
