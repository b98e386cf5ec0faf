import P2P
import Synchronization
import Testing

@Suite("Known peers as a source of peers", .timeLimit(.minutes(1)))
struct KnownPeersTests {
    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("Those that were connected before are reported once, the last first, and no more than the limit")
    func reporting() async throws {
        let store = MemoryPeerstore()
        let address = Multiaddr(ip: .loopbackV4, tcp: 1)
        var met: [PeerID] = []
        for number in 0..<(KnownPeersDiscovery.limit + 20) {
            let peer = try self.peer()
            await store.add([address], of: peer, source: .discovery, timeToLive: .seconds(60))
            guard number % 10 != 0 else { continue }
            await store.saw(peer)
            met.append(peer)
        }
        let gone = try self.peer()
        await store.saw(gone)
        let (reports, continuation) = AsyncStream.makeStream(of: DiscoveredPeer.self)
        let running = Task { try await KnownPeersDiscovery(store).run(announcing: { [] }, onPeer: { continuation.yield($0) }) }
        var found: [PeerID] = []
        for await report in reports {
            #expect(report.addresses == [address])
            found.append(report.peer)
            if found.count == KnownPeersDiscovery.limit { break }
        }
        #expect(found == Array(met.reversed().prefix(KnownPeersDiscovery.limit)))
        running.cancel()
        await #expect(throws: CancellationError.self) { try await running.value }
    }
}
