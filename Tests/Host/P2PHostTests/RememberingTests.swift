import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Testing

@testable import P2PHost

@Suite("What a host remembers of its peers", .timeLimit(.minutes(1)))
struct RememberingTests {
    private let world = FakeWorld()

    @Test("However long a connection lives, its peer's addresses are kept from its end on")
    func longConnections() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let told = self.world.address(4_001)
        try await self.world.run(a, b) {
            let connection = try await a.connect(to: address)
            while b.connections().isEmpty { await Task.yield() }
            let back = b.connections()[0]
            await a.introductions.introduced(Introduction(listenAddresses: [told]), on: connection.info)
            await b.introductions.introduced(Introduction(listenAddresses: [told]), on: back.info)
            self.world.clock.advance(.hours(5))
            #expect(await a.peerstore.addresses(of: b.peerID) == [])
            await a.disconnect(connection.id)
            while !b.connections().isEmpty { await Task.yield() }
            #expect(await a.peerstore.addresses(of: b.peerID) == [address.withoutPeerID, told])
            // Where a peer dialled from is no address to dial.
            #expect(await b.peerstore.addresses(of: a.peerID) == [told])
            self.world.clock.advance(.minutes(29))
            #expect(await a.peerstore.addresses(of: b.peerID).count == 2)
            self.world.clock.advance(.minutes(1))
            #expect(await a.peerstore.addresses(of: b.peerID) == [])
        }
    }

    @Test("A peer is seen when it is connected, not when it is merely heard of")
    func seen() async throws {
        let (a, b) = (try self.world.host(HostConfiguration(dialsDiscovered: false)), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            await a.discovered(DiscoveredPeer(peer: b.peerID, addresses: [address], timeToLive: .seconds(60)))
            #expect(await a.peerstore.peers() == [b.peerID])
            #expect(await a.peerstore.lastSeen(of: b.peerID) == nil)
            _ = try await a.connect(to: b.peerID)
            #expect(await a.peerstore.lastSeen(of: b.peerID) != nil)
        }
    }
}
