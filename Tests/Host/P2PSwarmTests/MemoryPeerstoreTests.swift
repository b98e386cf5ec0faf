import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PSwarm

@Suite("Memory peerstore")
struct MemoryPeerstoreTests {
    private final class HandClock: Sendable {
        private let time = Mutex(NIODeadline.uptimeNanoseconds(1_000_000_000))

        var clock: SwarmClock { SwarmClock(now: { self.time.withLock { $0 } }, sleep: { _ in }) }

        func advance(_ amount: TimeAmount) { self.time.withLock { $0 = $0 + amount } }
    }

    private let clock = HandClock()

    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("Addresses expire, and a shorter time to live shortens nothing")
    func expiry() async throws {
        let store = MemoryPeerstore(clock: self.clock.clock)
        let peer = try self.peer()
        let address = try Multiaddr("/ip4/1.2.3.4/tcp/1")
        await store.add([address.withPeerID(peer)], of: peer, source: .identify, timeToLive: .seconds(60))
        await store.add([address], of: peer, source: .identify, timeToLive: .seconds(1))
        self.clock.advance(.seconds(59))
        #expect(await store.addresses(of: peer) == [address])
        #expect(await store.peers() == [peer])
        self.clock.advance(.seconds(1))
        #expect(await store.addresses(of: peer).isEmpty)
        #expect(await store.peers().isEmpty)
    }

    @Test("What was proved comes before what was said")
    func order() async throws {
        let store = MemoryPeerstore(clock: self.clock.clock)
        let peer = try self.peer()
        let addresses = try (1...4).map { try Multiaddr("/ip4/1.2.3.4/tcp/\($0)") }
        await store.add([addresses[0]], of: peer, source: .identify, timeToLive: .seconds(60))
        await store.add([addresses[1]], of: peer, source: .certified, timeToLive: .seconds(60))
        await store.add([addresses[2]], of: peer, source: .connected, timeToLive: .seconds(60))
        await store.add([addresses[3]], of: peer, source: .given, timeToLive: .seconds(60))
        #expect(await store.addresses(of: peer) == [addresses[2], addresses[3], addresses[1], addresses[0]])
    }

    @Test("The addresses of a peer are bounded; those that live longest stay")
    func boundedAddresses() async throws {
        let store = MemoryPeerstore(maximumAddressesPerPeer: 3, clock: self.clock.clock)
        let peer = try self.peer()
        for port in 1...10 {
            await store.add([try Multiaddr("/ip4/1.2.3.4/tcp/\(port)")], of: peer, source: .given, timeToLive: .seconds(port))
        }
        let kept = try (8...10).map { try Multiaddr("/ip4/1.2.3.4/tcp/\($0)") }
        #expect(await store.addresses(of: peer) == kept)
    }

    @Test("The peers are bounded; the one that was touched longest ago makes room")
    func boundedPeers() async throws {
        let store = MemoryPeerstore(maximumPeers: 2, clock: self.clock.clock)
        let peers = try (0..<3).map { _ in try self.peer() }
        let address = try Multiaddr("/ip4/1.2.3.4/tcp/1")
        await store.add([address], of: peers[0], source: .given, timeToLive: .seconds(60))
        await store.add([address], of: peers[1], source: .given, timeToLive: .seconds(60))
        await store.remember(Introduction(agentVersion: "one"), of: peers[0])
        await store.add([address], of: peers[2], source: .given, timeToLive: .seconds(60))
        #expect(Set(await store.peers()) == [peers[0], peers[2]])
        #expect(await store.introduction(of: peers[0])?.agentVersion == "one")
        await store.forget(peers[0])
        #expect(await store.introduction(of: peers[0]) == nil)
    }

    @Test("A negative or endless time to live is no trap", arguments: [Duration.seconds(-1), .zero, .seconds(Int64.max / 2)])
    func strangeTimes(timeToLive: Duration) async throws {
        let store = MemoryPeerstore(clock: self.clock.clock)
        let peer = try self.peer()
        await store.add([try Multiaddr("/ip4/1.2.3.4/tcp/1")], of: peer, source: .given, timeToLive: timeToLive)
        #expect(await store.peers() == (timeToLive > .zero ? [peer] : []))
    }
}
