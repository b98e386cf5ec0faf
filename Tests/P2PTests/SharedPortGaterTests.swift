import P2P
import Synchronization
import Testing

@Suite("The gater of a shared port", .timeLimit(.minutes(1)))
struct SharedPortGaterTests {
    /// Counts the arrivals that it is asked about.
    private final class Counting: ConnectionGater {
        let count = Mutex(0)

        func mayAccept(from address: Multiaddr) async -> GateAnswer {
            self.count.withLock { $0 += 1 }
            return true
        }
    }

    @Test("It is asked once about each arrival, raw or in a WebSocket, as on a port of its own", arguments: [true, false])
    func once(sharesPorts: Bool) async throws {
        let gater = Counting()
        var configuration = StandardConfiguration()
        configuration.transports = [TCP(), WebSockets(sharesPorts: sharesPorts)]
        configuration.gater = gater
        let dialing = StandardConfiguration()
        try await withHosts(dialer: dialing, listener: configuration) { dialer, listener, address in
            _ = try await dialer.connect(to: address)
            #expect(gater.count.withLock { $0 } == 1)
            guard sharesPorts else { return }
            let webSocket = try #require(listener.listenAddresses.first { "\($0)".contains("/ws") })
            try await withHosts(dialer: dialing) { other, _, _ in
                _ = try await other.connect(to: webSocket)
                #expect(gater.count.withLock { $0 } == 2)
            }
        }
    }
}
