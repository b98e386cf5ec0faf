import NIOCore
import P2P
import P2PCore
import P2PMultiaddr

/// One side of a test under the official contract.
struct InteropRun: Sendable {
    let contract: InteropContract
    let console: Console

    private var deadline: NIODeadline { .now() + TimeAmount(self.contract.timeout) }

    /// Finds the listener, connects, pings once, and prints how long both took.
    func dial(_ session: NodeSession) async throws {
        let text = try await RedisClient.withConnection(to: self.contract.redis, until: self.deadline) { redis in
            try await redis.value(of: self.contract.key, until: self.deadline)
        }
        guard let address = try? Multiaddr(text), address.peerID != nil else {
            throw ToolError("invalidAddress", "the listener has published \(PeerText(text)), which is not an address with a peer")
        }
        let started = ContinuousClock.now
        let connection = try await session.connect(to: address)
        let pinger = Pinger(on: connection)
        let ping = try await pinger.ping(timeout: session.options.timeout.duration)
        let all = ContinuousClock.now - started
        await pinger.close()
        try await self.console.print(self.contract.result(handshakePlusOneRoundTrip: all, ping: ping))
    }

    /// Publishes where this node listens, and serves until it is stopped.
    func listen(_ session: NodeSession) async throws {
        let addresses = try await session.host.listen(on: self.contract.listenAddress)
        guard let address = addresses.first(where: { !$0.isLoopback }) ?? addresses.first else {
            throw ToolError("noAddresses", "there is no address to publish for \(self.contract.listenAddress)")
        }
        let (key, text) = (self.contract.key, address.description)
        try await RedisClient.withConnection(to: self.contract.redis, until: self.deadline) { redis in
            try await redis.delete(key)
            try await redis.push(text, to: key)
        }
        StandardError.write("listening on \(text)\n")
        do {
            try await Task.sleep(for: self.contract.timeout)
        } catch {
            return
        }
        throw ToolError("timedOut", "the test did not end within \(self.contract.timeout)")
    }
}
