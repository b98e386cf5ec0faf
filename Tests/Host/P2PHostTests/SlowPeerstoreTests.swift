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
    private let world = FakeWorld()

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

    @Test("What waits to be written counts, and beyond the host's limit for it what is learnt is lost")
    func counted() throws {
        let store = HangingPeerstore(clock: self.world.clock.clock)
        defer { store.free() }
        let memory = HeldMemory(MemoryLimits(total: 1 << 20, perPeer: .max, allowed: 0, kept: 10_000))
        do {
            let behind = WriteBehindPeerstore(
                store, clock: self.world.clock.clock, memory: memory, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let agent = String(repeating: "a", count: 1_000)
            for _ in 0..<400 {
                var change = PeerChange(of: PeerID(try PrivateKey.generate(.ed25519).publicKey))
                change.introduction = Introduction(agentVersion: agent)
                behind.later(change)
                // The same again takes no more.
                behind.later(change)
            }
            #expect(memory.kept > 1_000 && memory.kept < 15_000 && memory.forgotten > 0)
        }
    }

    @Test("What becomes known of a peer of whom something waits already counts as well")
    func merged() throws {
        let store = HangingPeerstore(clock: self.world.clock.clock)
        defer { store.free() }
        let memory = HeldMemory(MemoryLimits(total: 1 << 20, perPeer: .max, allowed: 0, kept: 10_000))
        let behind = WriteBehindPeerstore(
            store, clock: self.world.clock.clock, memory: memory, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var changes = try (0..<30).map { _ in PeerChange(of: PeerID(try PrivateKey.generate(.ed25519).publicKey)) }
        for index in changes.indices {
            changes[index].isSeen = true
            behind.later(changes[index])
        }
        for var change in changes {
            change.introduction = Introduction(agentVersion: String(repeating: "a", count: 1_000))
            behind.later(change)
        }
        #expect(memory.kept < 12_000 && memory.forgotten > 20)
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

    private func peer(_ number: Int) throws -> PeerID {
        try PeerID(bytes: [0x12, 32] + withUnsafeBytes(of: UInt64(number).bigEndian) { Array($0) } + [UInt8](repeating: 0, count: 24))
    }

    private func seen(_ number: Int) throws -> PeerChange {
        var change = PeerChange(of: try self.peer(number))
        change.isSeen = true
        return change
    }

    @Test("What is learnt of one peer is put together, many peers are written at once, and whoever reads sees what was before")
    func order() async throws {
        let store = CountingPeerstore(clock: self.world.clock.clock)
        let behind = self.behind(store)
        let peer = try self.peer(1)
        for number in 0..<1_000 { behind.later(try self.seen(number % 10)) }
        var change = PeerChange(of: peer)
        change.add(KnownAddress(self.world.address(1), source: .given), timeToLive: .seconds(60))
        behind.later(change)
        #expect(await behind.addresses(of: peer) == [self.world.address(1)])
        for number in 0..<10 { #expect(await store.written.lastSeen(of: try self.peer(number)) != nil) }
        // The writer may have begun with the first, or been quicker than the test.
        #expect(store.changes.load(ordering: .relaxed) <= 1_001)
        for number in 0..<1_000 { behind.later(try self.seen(number)) }
        let before = store.writes.load(ordering: .relaxed)
        await behind.finish()
        #expect(store.writes.load(ordering: .relaxed) - before <= 1_000)
        for number in 0..<1_000 { #expect(await store.written.lastSeen(of: try self.peer(number)) != nil) }
    }

    @Test("While the store is busy, peers gather: they are written in as few steps as the batch allows, one change for each")
    func gathering() async throws {
        let store = CountingPeerstore(clock: self.world.clock.clock)
        let behind = self.behind(store)
        store.isBusy.withLock { $0 = Signal() }
        behind.later(try self.seen(0))
        await store.reached.wait()
        let peers = 3 * WriteBehindPeerstore.batch
        for round in 0..<3 {
            for number in 1...peers { behind.later(try self.seen(number)) }
            #expect(behind.waiting == peers, "in round \(round)")
        }
        // Whoever waits in between ends no batch.
        let waiting = Task { await behind.settled() }
        while behind.marks == 0 { await Task.yield() }
        for number in 1...peers { behind.later(try self.seen(number)) }
        store.isBusy.withLock { $0.take() }?.fire()
        await waiting.value
        #expect(store.writes.load(ordering: .relaxed) == 1 + 3)
        #expect(store.changes.load(ordering: .relaxed) == 1 + peers)
        #expect(behind.waiting == 0)
    }

    @Test("Changes of more peers than the limit are lost, and so are those that are not made in time at the end")
    func limits() async throws {
        let hanging = HangingPeerstore(clock: self.world.clock.clock)
        let (store, other) = (self.behind(hanging), self.behind(hanging))
        for store in [store, other] { store.later(try self.seen(1_000_000)) }
        await hanging.reached.wait()
        while store.waiting > 0 || other.waiting > 0 { await Task.yield() }
        for number in 0..<(WriteBehindPeerstore.limit + 100) { store.later(try self.seen(number)) }
        #expect(store.waiting == WriteBehindPeerstore.limit)
        // One more of a peer that waits costs no place.
        store.later(try self.seen(0))
        #expect(store.waiting == WriteBehindPeerstore.limit)
        other.later(try self.seen(2_000_000))
        let start = self.world.clock.now
        await self.world.clock.passing { await other.finish() }
        #expect(self.world.clock.now - start >= TimeAmount(WriteBehindPeerstore.finishingTime))
        hanging.free()
        await store.finish()
        for number in 0..<WriteBehindPeerstore.limit { #expect(await hanging.written.lastSeen(of: try self.peer(number)) != nil) }
        for number in [WriteBehindPeerstore.limit, WriteBehindPeerstore.limit + 99, 2_000_000] {
            #expect(await hanging.written.lastSeen(of: try self.peer(number)) == nil)
        }
        for store in [store, other] {
            store.later(try self.seen(3_000_000))
            await store.settled()
            #expect(store.waiting == 0)
        }
        #expect(await hanging.written.lastSeen(of: try self.peer(3_000_000)) == nil)
    }

    @Test("Whoever waits for a store that hangs leaves nothing behind, however often")
    func patience() async throws {
        let hanging = HangingPeerstore(clock: self.world.clock.clock)
        let store = self.behind(hanging)
        store.later(try self.seen(0))
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
