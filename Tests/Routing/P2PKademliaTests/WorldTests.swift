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

/// Whole hosts on a network in virtual time.
@Suite("A network of hosts")
struct WorldTests {
    private struct Member {
        let host: PeerHost
        let dht: Kademlia
    }

    private static func join(_ world: World, mode: KademliaMode = .server, by way: Member? = nil) async throws -> Member {
        var configuration = KademliaConfiguration("/world/kad/1.0.0", mode: mode, namespaces: .publicNetwork)
        configuration.namespaces["any"] = AnyValueValidator()
        if let way { configuration.bootstrap = way.host.listenAddresses }
        let dht = Kademlia(configuration)
        return Member(host: try await world.host(Identify(), dht), dht: dht)
    }

    private static func network(_ world: World, of size: Int) async throws -> [Member] {
        var members = [try await Self.join(world)]
        while members.count < size {
            members.append(try await Self.join(world, by: members[0]))
            try await world.run(for: .milliseconds(200))
        }
        try await world.run(for: .seconds(30))
        return members
    }

    @Test("Members find each other by their ids alone, what others have, and values", .timeLimit(.minutes(3)))
    func finding() async throws {
        try await withWorld(seed: 11, everyLink: .latency(.milliseconds(20))) { world in
            let members = try await Self.network(world, of: 16)
            #expect(members.allSatisfy { $0.dht.knownPeers.count >= 12 }, "\(members.map { $0.dht.knownPeers.count })")

            // A dial without an address.
            let (first, last) = (members[3], members[15])
            await first.host.peerstore.forget(last.host.peerID)
            try await world.perform { await first.host.disconnect(last.host.peerID) }
            let connection = try await world.perform { try await first.host.connect(to: last.host.peerID) }
            #expect(connection.remotePeer == last.host.peerID)

            let client = try await Self.join(world, mode: .client, by: members[5])
            try await world.run(for: .seconds(5))
            #expect(members.allSatisfy { !$0.dht.knownPeers.contains(client.host.peerID) })
            let found = try await world.perform { try await client.dht.findPeer(members[12].host.peerID) }
            #expect(found.addresses == members[12].host.listenAddresses.map(\.withoutPeerID))

            let key: [UInt8] = [0x12, 0x20] + [UInt8](repeating: 9, count: 32)
            let stored = try await world.perform { try await members[2].dht.provide(key) }
            #expect(stored.holders.count >= 14, "\(stored.refusals)")
            let providers = try await world.perform { try await client.dht.findProviders(of: key) }
            #expect(providers == [KademliaContact(members[2].host.peerID, at: members[2].host.listenAddresses.map(\.withoutPeerID))])

            let keys = (0..<100).map { [UInt8($0), 7, 7] }
            let swept = try await world.perform { try await members[6].dht.provide(all: keys) }
            #expect(swept.stored == 100 && swept.lookups <= 6, "\(swept)")
            let one = try await world.perform { try await client.dht.findProviders(of: keys[42]) }
            #expect(one.map(\.peer) == [members[6].host.peerID])

            let events = client.dht.events(of: .providers(of: key))
            let seen = try await world.perform {
                var seen: [PeerID] = []
                for try await event in events {
                    if case .provider(let provider) = event { seen.append(provider.peer) }
                }
                return seen
            }
            #expect(seen == [members[2].host.peerID])

            let name = Array("/any/thing".utf8)
            #expect(try await world.perform { try await members[1].dht.put([1], for: name).holders.count } >= 14)
            #expect(try await world.perform { try await client.dht.value(for: name) } == [1])
            #expect(try await world.perform { try await client.dht.put([2], for: name).holders.count } >= 14)
            #expect(try await world.perform { try await members[13].dht.value(for: name) } == [2])
            await #expect(throws: KademliaError(.notFound, "")) {
                try await world.perform { try await client.dht.value(for: Array("/any/other".utf8)) }
            }
            await #expect(throws: KademliaError(.notFound, "")) {
                try await world.perform { try await client.dht.findPeer(try Fixture.peer(200)) }
            }
        }
    }

    @Test(
        "While whoever asked is busy with an answer, nobody counts as silent: the others' answers wait, and count", .timeLimit(.minutes(1)))
    func busy() async throws {
        try await withWorld(seed: 14, everyLink: .latency(.milliseconds(20))) { world in
            let members = try await Self.network(world, of: 6)
            let node = try members[5].dht.node()
            let lookup = try await world.perform {
                var isFirst = true
                return try await node.walk(to: [1], asking: KademliaMessage(.findNode, key: [1]), onEvent: { _ in }) { _, _, _ in
                    guard isFirst else { return false }
                    isFirst = false
                    await node.clock.sleep(for: .seconds(5))
                    return false
                }.lookup
            }
            #expect(lookup.answers == 5 && lookup.unanswered.isEmpty, "\(lookup.answers), \(lookup.unanswered)")
        }
    }

    @Test("After a partition of three of ten, the others find what was stored, and tables lose the missing", .timeLimit(.minutes(3)))
    func parting() async throws {
        try await withWorld(seed: 12, everyLink: .latency(.milliseconds(20)).timeout(.seconds(20))) { world in
            let members = try await Self.network(world, of: 14)
            let key: [UInt8] = [1, 2, 3]
            _ = try await world.perform { try await members[4].dht.provide(key) }
            let (gone, left) = (Array(members[10...]), Array(members[..<10]))
            world.partition(gone.map(\.host), left.map(\.host))
            try await world.run(for: .seconds(30))
            let began = world.clock.now
            let providers = try await world.perform { try await left[8].dht.findProviders(of: key) }
            #expect(providers.map(\.peer) == [members[4].host.peerID])
            #expect(began.duration(to: world.clock.now) < .seconds(6))
            for member in left { try await world.perform { try await member.dht.refresh() } }
            let missing = Set(gone.map(\.host.peerID))
            #expect(left.allSatisfy { missing.isDisjoint(with: $0.dht.knownPeers) })
        }
    }

    @Test("One that serves only while it is reachable is in tables then, and leaves them afterwards", .timeLimit(.minutes(1)))
    func automatic() async throws {
        try await withWorld(seed: 14, everyLink: .latency(.milliseconds(20))) { world in
            let one = try await Self.join(world)
            let other = try await Self.join(world, mode: .automatic, by: one)
            try await world.run(for: .seconds(10))
            #expect(one.dht.knownPeers.isEmpty && !other.dht.statistics.isServer)
            other.dht.setReachable(true)
            try await world.run(for: .seconds(10))
            #expect(one.dht.knownPeers == [other.host.peerID] && other.dht.statistics.isServer)
            other.dht.setReachable(false)
            try await world.run(for: .seconds(10))
            #expect(one.dht.knownPeers.isEmpty && !other.dht.statistics.isServer)
        }
    }

    @Test("A table on its own says so, and knows the first one that comes", .timeLimit(.minutes(1)))
    func alone() async throws {
        try await withWorld(seed: 13, everyLink: .latency(.milliseconds(20))) { world in
            let one = try await Self.join(world)
            await #expect(throws: KademliaError(.noPeers, "")) {
                try await world.perform { try await one.dht.closestPeers(to: [1]) }
            }
            let other = try await Self.join(world, by: one)
            try await world.run(for: .seconds(5))
            #expect(one.dht.knownPeers == [other.host.peerID])
            #expect(other.dht.knownPeers == [one.host.peerID])
            let steps = Mutex<[String]>([])
            let closest = try await world.perform {
                try await other.dht.closestPeers(to: [1]) { event in
                    steps.withLock { steps in
                        switch event {
                        case .asked: steps.append("asked")
                        case .answered: steps.append("answered")
                        case .found: steps.append("found")
                        case .finished: steps.append("finished")
                        default: steps.append("\(event)")
                        }
                    }
                }
            }
            #expect(closest.peers.map(\.peer) == [one.host.peerID])
            #expect(closest.summary.messages == 1 && closest.summary.hops == 1)
            #expect(steps.withLock { $0 } == ["asked", "answered", "found", "finished"])
        }
    }
}
