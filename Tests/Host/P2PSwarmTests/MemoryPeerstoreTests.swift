import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PTesting
import Synchronization
import Testing

@testable import P2PSwarm

@Suite("Memory peerstore")
struct MemoryPeerstoreTests {
    private final class HandClock: Sendable {
        private let time = Mutex(NIODeadline.uptimeNanoseconds(1_000_000_000))

        var clock: HostClock { HostClock(now: { self.time.withLock { $0 } }, sleep: { _ in }) }

        func advance(_ amount: TimeAmount) { self.time.withLock { $0 = $0 + amount } }
    }

    private let clock = HandClock()

    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("It keeps the contract of a peerstore", arguments: PeerstoreConformance.Case.allCases)
    func contract(_ conformanceCase: PeerstoreConformance.Case) async throws {
        try await PeerstoreConformance {
            let clock = HandClock()
            return PeerstoreConformance.Subject(store: MemoryPeerstore(clock: clock.clock)) { clock.advance(TimeAmount($0)) }
        }.run(conformanceCase)
    }

    @Test("It keeps it also when it is written behind", arguments: PeerstoreConformance.Case.allCases)
    func contractBehind(_ conformanceCase: PeerstoreConformance.Case) async throws {
        try await PeerstoreConformance {
            let clock = HandClock()
            let store = WriteBehindPeerstore(
                MemoryPeerstore(clock: clock.clock), clock: clock.clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            return PeerstoreConformance.Subject(store: store) { clock.advance(TimeAmount($0)) }
        }.run(conformanceCase)
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
        let address = Multiaddr("/ip4/1.2.3.4/tcp/1")
        await store.add([address], of: peers[0], source: .given, timeToLive: .seconds(60))
        await store.add([address], of: peers[1], source: .given, timeToLive: .seconds(60))
        await store.remember(Introduction(agentVersion: "one"), of: peers[0])
        await store.add([address], of: peers[2], source: .given, timeToLive: .seconds(60))
        #expect(Set(await store.peers()) == [peers[0], peers[2]])
        #expect(await store.introduction(of: peers[0])?.agentVersion == "one")
        await store.forget(peers[0])
        #expect(await store.introduction(of: peers[0]) == nil)
    }

    @Test("A flood of peers that were never connected pushes none out that was")
    func flood() async throws {
        let store = MemoryPeerstore(maximumPeers: 10, clock: self.clock.clock)
        let address = Multiaddr("/ip4/1.2.3.4/tcp/1")
        let met = try (0..<3).map { _ in try self.peer() }
        for peer in met {
            await store.add([address], of: peer, source: .connected, timeToLive: .seconds(60))
            await store.saw(peer)
        }
        for _ in 0..<50 { await store.add([address], of: try self.peer(), source: .discovery, timeToLive: .seconds(60)) }
        let peers = await store.peers()
        #expect(peers.count == 10)
        #expect(peers.suffix(3) == met.reversed())
    }

    private func introduction(protocols: Int) -> Introduction {
        Introduction(protocols: (0..<protocols).map { ProtocolID("/a/protocol/with/a/long/name/\($0)") })
    }

    @Test("The bytes are bounded as well: who tells much makes room first, unless this node was connected to it")
    func boundedBytes() async throws {
        let store = MemoryPeerstore(maximumBytes: 40_000, clock: self.clock.clock)
        let met = try self.peer()
        await store.saw(met)
        await store.remember(self.introduction(protocols: 100), of: met)
        for _ in 0..<50 { await store.remember(self.introduction(protocols: 100), of: try self.peer()) }
        #expect(store.heldBytes <= 40_000 && store.heldBytes > 20_000)
        #expect(await store.introduction(of: met)?.protocols.count == 100)
        // One stays, whatever it is.
        let small = MemoryPeerstore(maximumBytes: 1, clock: self.clock.clock)
        await small.remember(self.introduction(protocols: 10), of: met)
        #expect(await small.introduction(of: met) != nil)
    }

    @Test("It counts for its host what it holds, keeps to the host's limit, and gives everything back")
    func counted() async throws {
        let memory = HeldMemory(MemoryLimits(total: 1 << 20, perPeer: .max, allowed: 0, kept: 30_000))
        do {
            let store = MemoryPeerstore(clock: self.clock.clock)
            let first = try self.peer()
            await store.add(["/ip4/1.2.3.4/tcp/1"], of: first, source: .given, timeToLive: .seconds(60))
            store.count(in: memory)
            let one = memory.kept
            #expect(one > 0 && memory.use == one && store.heldBytes == one)
            try await store.setMetadata([UInt8](repeating: 0, count: 1_000), named: "a", of: first)
            #expect(memory.kept > one + 1_000)
            try await store.setMetadata(nil, named: "a", of: first)
            #expect(memory.kept == one)
            for _ in 0..<20 { await store.remember(self.introduction(protocols: 50), of: try self.peer()) }
            #expect(memory.kept <= 30_000 && memory.forgotten > 0)
            for peer in await store.peers() { await store.forget(peer) }
        }
        #expect(memory.kept == 0 && memory.use == 0)
    }
}
