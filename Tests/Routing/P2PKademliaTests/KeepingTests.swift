import NIOCore
import P2PCore
import P2PHost
import P2PIdentify
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import P2PTesting
import Synchronization
import Testing

@testable import P2PKademlia

/// An archive in memory: what a file would hold.
private final class MemoryArchive: KademliaArchive {
    let holdings = Mutex(KademliaHoldings())
    /// What happens while it is read.
    let meanwhile = Mutex<(@Sendable () -> Void)?>(nil)

    func load() async -> KademliaHoldings {
        self.meanwhile.withLock { $0 }?()
        return self.holdings.withLock { $0 }
    }

    func save(_ changes: KademliaChanges) async {
        self.holdings.withLock { holdings in
            if let members = changes.members { holdings.members = members }
            for (key, value) in changes.values {
                holdings.values.removeAll { $0.record.key == key }
                if let value { holdings.values.append(value) }
            }
            for (key, providers) in changes.providers {
                holdings.providers.removeAll { $0.key == key }
                holdings.providers += providers
            }
            if let telling = changes.telling { holdings.telling = telling }
        }
    }
}

/// Keys in memory, which can't be read for a time; it counts how often they are read from the beginning.
private final class MoodyKeystore: ProviderKeystore {
    let readings = Mutex(0)
    let isBroken = Mutex(false)
    private let store = MemoryKeystore()

    func add(_ keys: [[UInt8]]) async { self.store.add(keys) }
    func remove(_ key: [UInt8]) async { self.store.remove(key) }
    func contains(_ key: [UInt8]) async -> Bool { self.store.contains(key) }
    func count() async -> Int { self.store.count() }
    func keys(after key: [UInt8]?, upTo limit: Int) async throws(KademliaError) -> [[UInt8]] {
        if key == nil { self.readings.withLock { $0 += 1 } }
        if self.isBroken.withLock({ $0 }) { throw KademliaError(.keystoreUnavailable, "the disk is gone") }
        return self.store.keys(after: key, upTo: limit)
    }
}

@Suite("What outlasts a restart")
struct KeepingTests {
    private struct Member {
        let host: PeerHost
        let dht: Kademlia
    }

    private static func join(
        _ world: World, by way: Member? = nil, _ archive: MemoryArchive? = nil, _ keystore: MemoryKeystore = MemoryKeystore()
    ) async throws -> Member {
        var configuration = KademliaConfiguration("/kept/kad/1.0.0", mode: .server)
        configuration.namespaces["any"] = AnyValueValidator()
        configuration.archive = archive
        configuration.keystore = keystore
        if let way { configuration.bootstrap = way.host.listenAddresses }
        let dht = Kademlia(configuration)
        return Member(host: try await world.host(Identify(), dht), dht: dht)
    }

    @Test("The table is asked anew, values and providers are there again, what was provided and put is told again", .timeLimit(.minutes(2)))
    func restart() async throws {
        try await withWorld(seed: 21, everyLink: .latency(.milliseconds(20)).timeout(.seconds(10))) { world in
            let first = try await Self.join(world)
            var others: [Member] = []
            for _ in 0..<5 { others.append(try await Self.join(world, by: first)) }
            let (archive, keystore) = (MemoryArchive(), MemoryKeystore())
            let before = try await Self.join(world, by: first, archive, keystore)
            try await world.run(for: .seconds(30))
            #expect(before.dht.knownPeers.count == 6)
            let other = others[0]
            try await world.perform { try await other.dht.provide([1, 1]) }
            try await world.perform { try await other.dht.put([9], for: Array("/any/theirs".utf8)) }
            try await world.perform { try await before.dht.provide([2, 2]) }
            try await world.perform { try await before.dht.put([8], for: Array("/any/ours".utf8)) }
            try await world.run(for: .seconds(20))
            let kept = archive.holdings.withLock { $0 }
            #expect(Set(kept.members.map(\.peer)) == Set([first.host.peerID] + others.map(\.host.peerID)))
            #expect(Set(kept.values.map(\.record.key)) == [Array("/any/theirs".utf8), Array("/any/ours".utf8)])
            #expect(kept.values.first { $0.isOwn }?.record.value == [8])
            #expect(kept.providers.map(\.key) == [[1, 1]] && kept.providers.map(\.contact.peer) == [other.host.peerID])
            #expect(keystore.count() == 1)
            before.host.shutDown()
            try await world.run(for: .seconds(5))

            // What comes back is not believed: one that is not valid, one whose time is over, and a member that is not there.
            let ghost = try Fixture.peer(77)
            archive.holdings.withLock { holdings in
                holdings.members.append(KademliaContact(ghost, at: holdings.members[0].addresses))
                holdings.values.append(
                    KademliaHoldings.Value(record: KademliaRecord(key: Array("/none/x".utf8), value: [1]), isOwn: false, end: .max))
                holdings.values.append(
                    KademliaHoldings.Value(record: KademliaRecord(key: Array("/any/over".utf8), value: [1]), isOwn: false, end: 1_000))
                holdings.providers.append(KademliaHoldings.Provider(key: [3], contact: KademliaContact(ghost), end: 1_000))
            }
            // Nobody is told of it: it finds the others by what it has kept.
            let after = try await Self.join(world, archive, keystore)
            try await world.run(for: .seconds(30))
            #expect(Set(after.dht.knownPeers) == Set([first.host.peerID] + others.map(\.host.peerID)))
            let statistics = after.dht.statistics
            #expect(statistics.values == 2 && statistics.providers == 1 && statistics.ownKeys == 1, "\(statistics)")
            #expect(statistics.heldBytes > 0)
            let theirs = try await world.perform { try await first.dht.findProviders(of: [2, 2]) }
            #expect(Set(theirs.map(\.peer)).contains(after.host.peerID))
            // The interval of the old process has not passed, but this node is elsewhere now: so it tells again soon.
            try await world.run(for: .seconds(90))
            let asker = others[3]
            let told = try await world.perform { try await asker.dht.findProviders(of: [2, 2]) }
            #expect(Set(told.map(\.peer)).contains(after.host.peerID))
            #expect(archive.holdings.withLock { $0.telling?.addresses } == after.host.listenAddresses.map(\.withoutPeerID))
            // Who was asked and is not there is not remembered any more.
            #expect(!archive.holdings.withLock { $0.members.contains { $0.peer == ghost } })
        }
    }

    @Test(
        "Keys that can't be read have not been told, and a value that nobody takes has no key told before its time",
        .timeLimit(.minutes(2)))
    func retries() async throws {
        try await withWorld(seed: 22, everyLink: .latency(.milliseconds(20))) { world in
            let others = [try await Self.join(world), try await Self.join(world)]
            let (archive, keystore) = (MemoryArchive(), MoodyKeystore())
            var configuration = KademliaConfiguration("/kept/kad/1.0.0", mode: .server)
            configuration.namespaces["own"] = AnyValueValidator()
            configuration.archive = archive
            configuration.keystore = keystore
            configuration.republishInterval = .seconds(600)
            configuration.bootstrap = others.flatMap(\.host.listenAddresses)
            let dht = Kademlia(configuration)
            _ = try await world.host(Identify(), dht)
            try await world.run(for: .seconds(10))
            try await world.perform { try await dht.provide([1, 1]) }
            await #expect(throws: KademliaError(.notStored, "")) {
                try await world.perform { try await dht.put([1], for: Array("/own/x".utf8)) }
            }
            keystore.isBroken.withLock { $0 = true }
            try await world.run(for: .seconds(120))
            #expect(keystore.readings.withLock { $0 } == 1)
            #expect(archive.holdings.withLock { $0.telling == nil })
            keystore.isBroken.withLock { $0 = false }
            try await world.run(for: .seconds(300))
            #expect(archive.holdings.withLock { $0.telling != nil })
            keystore.readings.withLock { $0 = 0 }
            try await world.run(for: .seconds(2_400))
            #expect((3...5).contains(keystore.readings.withLock { $0 }), "\(keystore.readings.withLock { $0 })")
        }
    }

    /// A client of a network of its own.
    private static func node(
        keeping archive: MemoryArchive, _ namespace: String, _ validator: any RecordValidator
    ) throws -> (KademliaNode, ConnectionInfo, HostClock) {
        var configuration = KademliaConfiguration("/kept/kad/1.0.0", mode: .client)
        configuration.namespaces[namespace] = validator
        configuration.archive = archive
        let connection = try ConnectionInfo.sample(local: Fixture.key(1), remote: Fixture.key(2))
        let host = try LoopbackPeer(on: connection) { $0.reset() }
        let node = KademliaNode(
            configuration, ownPeer: connection.localPeer, host: host, networks: { LocalNetworks() }, logger: host.logger)
        return (node, connection, host.clock)
    }

    @Test("What is remembered stays when the first one answers, what changes while the archive is read is written down, what is over goes")
    func beginning() async throws {
        let archive = MemoryArchive()
        let kept = try (10..<13).map { KademliaContact(try Fixture.peer($0)) }
        let over = KademliaRecord(key: Array("/any/over".utf8), value: [1])
        archive.holdings.withLock { holdings in
            holdings.members = kept
            holdings.values = [KademliaHoldings.Value(record: over, isOwn: false, end: 1_000)]
        }
        let (node, connection, clock) = try Self.node(keeping: archive, "any", AnyValueValidator())
        let new = KademliaRecord(key: Array("/any/new".utf8), value: [2])
        archive.meanwhile.withLock { $0 = { node.change { _ = $0.values.put(new, at: clock.now()) } } }
        await node.restore()
        node.offer(connection.remotePeer, at: [try Multiaddr("/ip4/10.0.0.1/tcp/1")])
        await node.save()
        let holdings = archive.holdings.withLock { $0 }
        #expect(holdings.members.map(\.peer) == [connection.remotePeer] + kept.map(\.peer))
        #expect(holdings.values.map(\.record) == [new])
    }

    @Test("A value of this node's own that is valid no more stays written down for a month: it may be the clock that is wrong")
    func ownAndOver() async throws {
        struct Nothing: RecordValidator {
            func validate(_ value: [UInt8], for key: [UInt8], at now: Int64) throws(KademliaError) {
                throw KademliaError(.invalidValue, "it is over")
            }
            func prefers(_ value: [UInt8], to other: [UInt8], for key: [UInt8]) -> Bool { false }
        }
        let (archive, now) = (MemoryArchive(), WallTime.now.secondsSince1970)
        func value(_ name: String, isOwn: Bool, daysAgo: Int64) -> KademliaHoldings.Value {
            KademliaHoldings.Value(
                record: KademliaRecord(key: Array("/over/\(name)".utf8), value: [1]), isOwn: isOwn, end: now - daysAgo * 86_400)
        }
        let (lately, longAgo) = (value("lately", isOwn: true, daysAgo: 29), value("long-ago", isOwn: true, daysAgo: 31))
        archive.holdings.withLock { $0.values = [lately, longAgo, value("another's", isOwn: false, daysAgo: 1)] }
        let (node, _, _) = try Self.node(keeping: archive, "over", Nothing())
        await node.restore()
        await node.save()
        #expect(archive.holdings.withLock { $0.values }.map(\.record) == [lately.record])
        #expect(node.keptValue(for: lately.record.key) == nil)
    }

    @Test("The keys in memory are a set in the order of the key space")
    func memory() {
        let store = MemoryKeystore()
        let keys = (0..<100).map { [UInt8($0)] }
        store.add(keys)
        store.add(keys)
        #expect(store.count() == 100 && store.contains([7]))
        store.remove([7])
        #expect(store.count() == 99 && !store.contains([7]))
        let all = store.keys(after: nil, upTo: 1_000)
        #expect(all.count == 99)
        #expect(store.keys(after: all[49], upTo: 10) == Array(all[50..<60]))
        #expect(store.keys(after: all[98], upTo: 10).isEmpty)
    }

    @Test("Of what changes, no more is remembered than a limit says")
    func touches() {
        var touched = TouchedKeys(limit: 3)
        touched.touch([1])
        #expect(doing(&touched) { $0.take(upTo: 9) }.isEmpty)
        touched.begin()
        for key in 0..<10 { touched.touch([UInt8(key)]) }
        #expect(Set(doing(&touched) { $0.take(upTo: 2) } + doing(&touched) { $0.take(upTo: 9) }) == [[0], [1], [2]])
        #expect(doing(&touched) { $0.take(upTo: 9) }.isEmpty)
    }
}
