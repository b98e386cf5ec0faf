import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PHost
@testable import P2PSwarm

@Suite("Peerstores that are slow, or never done", .timeLimit(.minutes(1)))
struct SlowPeerstoreTests {
    private let world = World()

    private func behind(_ store: any Peerstore) -> WriteBehindPeerstore {
        WriteBehindPeerstore(store, clock: self.world.clock.clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test("A disk that hangs holds up no dial, no introduction, no end of a connection and no shutdown")
    func hanging() async throws {
        let store = HangingPeerstore(clock: self.world.clock.clock)
        defer { store.free() }
        let (a, b) = (try self.world.host(peerstore: store), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let events = a.events()
        try await self.world.run(a, b) {
            for _ in 0..<3 {
                let connection = try await a.connect(to: address)
                await self.world.clock.passing {
                    await a.introductions.introduced(Introduction(listenAddresses: [self.world.address(4_001)]), on: connection.info)
                    await a.discovered(DiscoveredPeer(peer: b.peerID, addresses: [address], timeToLive: .seconds(60)))
                }
                await a.disconnect(connection.id)
                for await event in events {
                    if case .disconnected(let info, _) = event, info.id == connection.id { break }
                }
            }
            try a.keepConnected(b.peerID, at: [address])
            await self.world.clock.passing {
                while a.connections().isEmpty { await Task.yield() }
            }
        }
        #expect(await store.written.peers() == [])
    }

    @Test("Who can't be looked up by the deadline is not dialled, and the reason says so")
    func unanswered() async throws {
        let store = HangingPeerstore(clock: self.world.clock.clock)
        defer { store.free() }
        let host = try self.world.host(peerstore: store)
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        try await self.world.run(host) {
            await self.world.clock.passing {
                let error = await #expect(throws: DialError(.timedOut, "")) { try await host.connect(to: peer, timeout: .seconds(3)) }
                #expect(error?.message.contains("peerstore") == true)
            }
            let dialling = Task { try await host.connect(to: peer) }
            dialling.cancel()
            await #expect(throws: DialError(.cancelled, "")) { try await dialling.value }
        }
    }

    @Test("What was learnt until the end is stored by the end, also of a host that is cancelled")
    func lastChanges() async throws {
        let store = HangingPeerstore(clock: self.world.clock.clock, readsHang: false)
        let (a, b) = (try self.world.host(peerstore: store), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let (aRuns, bRuns) = (Task { try await a.run() }, Task { try await b.run() })
        await a.waitUntilRunning()
        await b.waitUntilRunning()
        let events = a.events()
        let connection = try await a.connect(to: address)
        let told = self.world.address(4_001)
        let introducing = Task { await a.introductions.introduced(Introduction(listenAddresses: [told]), on: connection.info) }
        for await event in events {
            if case .identified = event { aRuns.cancel() }
        }
        #expect(a.connections().isEmpty)
        #expect(await store.written.peers() == [])
        store.free()
        try await aRuns.value
        await introducing.value
        #expect(await store.written.addresses(of: b.peerID) == [address.withoutPeerID, told])
        #expect(await store.written.lastSeen(of: b.peerID) != nil)
        b.shutDown()
        try await self.world.clock.passing { try await bRuns.value }
    }

    @Test("Changes are made in their order, and whoever reads sees those before")
    func order() async throws {
        let store = self.behind(MemoryPeerstore(clock: self.world.clock.clock))
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let made = Mutex<[Int]>([])
        for number in 0..<1_000 {
            store.later { _ in
                await Task.yield()
                made.withLock { $0.append(number) }
            }
        }
        let address = self.world.address(1)
        store.later { await $0.add([address], of: peer, source: .given, timeToLive: .seconds(60)) }
        #expect(await store.addresses(of: peer) == [address])
        #expect(made.withLock { $0 } == Array(0..<1_000))
        store.later { await $0.forget(peer) }
        await store.add([self.world.address(2)], of: peer, source: .given, timeToLive: .seconds(60))
        #expect(await store.addresses(of: peer) == [self.world.address(2)])
    }

    @Test("Changes beyond the limit are lost, and so are those that are not made in time at the end")
    func limits() async throws {
        let hanging = HangingPeerstore(clock: self.world.clock.clock)
        let (store, other) = (self.behind(hanging), self.behind(hanging))
        let made = Atomic<Int>(0)
        for store in [store, other] {
            store.later { await $0.saw(PeerID(try! PrivateKey.generate(.ed25519).publicKey)) }
        }
        await hanging.reached.wait()
        while store.waiting > 0 || other.waiting > 0 { await Task.yield() }
        for _ in 0..<(WriteBehindPeerstore.limit + 100) { store.later { _ in made.wrappingAdd(1, ordering: .relaxed) } }
        #expect(store.waiting == WriteBehindPeerstore.limit)
        other.later { _ in made.wrappingAdd(1_000_000, ordering: .relaxed) }
        let start = self.world.clock.now
        await self.world.clock.passing { await other.finish() }
        #expect(self.world.clock.now - start >= TimeAmount(WriteBehindPeerstore.finishingTime))
        hanging.free()
        await store.finish()
        #expect(made.load(ordering: .relaxed) == WriteBehindPeerstore.limit)
        for store in [store, other] {
            store.later { _ in made.wrappingAdd(1_000_000, ordering: .relaxed) }
            await store.settled()
            #expect(store.waiting == 0)
        }
    }

    @Test("Whoever waits for a store that hangs leaves nothing behind, however often")
    func patience() async throws {
        let hanging = HangingPeerstore(clock: self.world.clock.clock)
        let store = self.behind(hanging)
        store.later { await $0.forget(PeerID(try! PrivateKey.generate(.ed25519).publicKey)) }
        await self.world.clock.passing {
            for _ in 0..<5 { await store.settled() }
        }
        #expect(store.marks <= 1)
        let waiting = Task { await store.settled() }
        waiting.cancel()
        await waiting.value
        hanging.free()
        await store.finish()
    }
}
