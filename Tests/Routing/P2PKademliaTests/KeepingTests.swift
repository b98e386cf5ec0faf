import NIOCore
import P2PCore
import P2PHost
import P2PIdentify
import P2PIdentity
import P2PMultiaddr
import P2PTesting
import Synchronization
import Testing

@testable import P2PKademlia

/// An archive in memory: what a file would hold.
private final class MemoryArchive: KademliaArchive {
    let holdings = Mutex(KademliaHoldings())

    func load() async -> KademliaHoldings { self.holdings.withLock { $0 } }

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
        }
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
