import P2P
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PTool

@Suite("Registrations that were printed")
struct SeenRegistrationsTests {
    private func peer(_ number: Int, _ addresses: [Multiaddr]) throws -> DiscoveredPeer {
        var digest = [UInt8](repeating: 0, count: 32)
        (digest[0], digest[1]) = (UInt8(number & 0xff), UInt8(number >> 8))
        return DiscoveredPeer(peer: try PeerID(bytes: [0x12, 0x20] + digest), addresses: addresses, timeToLive: .seconds(60))
    }

    @Test("One that says nothing new is known: the same addresses, or fewer; another address or name is news")
    func news() throws {
        var seen = SeenRegistrations()
        let (near, far): (Multiaddr, Multiaddr) = ("/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/1")
        let both = try self.peer(1, [near, far])
        let fewer = try self.peer(1, [near])
        let told: [(DiscoveredPeer, String)] = [
            (both, "game"), (both, "game"), (fewer, "game"), (fewer, "other"), (try self.peer(2, [near]), "game"),
            (try self.peer(1, ["/ip4/192.0.2.3/tcp/1"]), "game"),
        ]
        let news = told.map { seen.insert($0, under: $1) }
        #expect(news == [true, false, false, true, true, true])
    }

    @Test("No more are remembered than the limit says; those beyond are printed each time")
    func bounded() throws {
        var seen = SeenRegistrations()
        let all = try (0...SeenRegistrations.limit).map { try self.peer($0, ["/ip4/192.0.2.1/tcp/1"]) }
        let first = all.map { seen.insert($0, under: "game") }
        let second = all.map { seen.insert($0, under: "game") }
        #expect(first.allSatisfy(\.self) && second.last == true && !second.dropLast().contains(true))
    }
}
