import NIOCore
import P2PCore
import P2PHost
import P2PIdentify
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
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

    private static func join(
        _ world: World, mode: KademliaMode = .server, by way: Member? = nil, limits: ResourceLimits? = nil,
        _ configure: (inout KademliaConfiguration) -> Void = { _ in }
    ) async throws -> Member {
        var configuration = KademliaConfiguration("/world/kad/1.0.0", mode: mode, namespaces: .publicNetwork)
        configuration.namespaces["any"] = AnyValueValidator()
        if let way { configuration.bootstrap = way.host.listenAddresses }
        configure(&configuration)
        let dht = Kademlia(configuration)
        var hostConfiguration = HostConfiguration()
        if let limits { hostConfiguration.limits = limits }
        return Member(host: try await world.host(Identify(), dht, configuration: hostConfiguration), dht: dht)
    }

    private static func network(
        _ world: World, of size: Int, _ configure: (inout KademliaConfiguration) -> Void = { _ in }
    ) async throws -> [Member] {
        var members = [try await Self.join(world, configure)]
        while members.count < size {
            members.append(try await Self.join(world, by: members[0], configure))
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

    @Test("A provider of whom nobody says where it is, is told all the same, and found when it is dialled", .timeLimit(.minutes(1)))
    func withoutAddresses() async throws {
        try await withWorld(seed: 22, everyLink: .latency(.milliseconds(20))) { world in
            let members = try await Self.network(world, of: 12)
            let provider = members[7].host.peerID
            for member in members where member.host.peerID != provider {
                let node = try member.dht.node()
                node.change { _ = $0.providers.add(provider, at: [], for: [3], now: node.clock.now()) }
            }
            let client = try await Self.join(world, mode: .client, by: members[1])
            let found = try await world.perform { try await client.dht.findProviders(of: [3]) }
            #expect(found == [KademliaContact(provider)])
            await client.host.peerstore.forget(provider)
            try await world.perform { await client.host.disconnect(provider) }
            #expect(try await world.perform { try await client.host.connect(to: provider) }.remotePeer == provider)
            // With a count it is dialled before the search ends.
            let counted = try await world.perform { try await client.dht.findProviders(of: [3], count: 1) }
            #expect(counted.map(\.peer) == [provider])
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

    @Test("One whose limits are low does not serve by itself, however reachable it is", .timeLimit(.minutes(1)))
    func lowLimits() async throws {
        try await withWorld(seed: 16, everyLink: .latency(.milliseconds(20))) { world in
            func serves(_ adjust: (inout ResourceLimits) -> Void) async throws -> Bool {
                var limits = ResourceLimits()
                adjust(&limits)
                let member = try await Self.join(world, mode: .automatic, limits: limits)
                member.dht.setReachable(true)
                return member.dht.statistics.isServer
            }
            let served = [
                try await serves { $0.connections = KademliaLimits.serverConnections },
                try await serves { $0.connections = KademliaLimits.serverConnections - 1 },
                try await serves { $0.memory = KademliaLimits.serverMemory },
                try await serves { $0.memory = KademliaLimits.serverMemory - 1 },
            ]
            #expect(served == [true, false, true, false])
        }
    }

    @Test("Who has just come and asks at once, over slow ways, finds what is there", .timeLimit(.minutes(3)))
    func atOnce() async throws {
        try await withWorld(seed: 15, everyLink: .latency(.milliseconds(20))) { world in
            let members = try await Self.network(world, of: 24)
            let key: [UInt8] = [4, 2]
            _ = try await world.perform { try await members[2].dht.provide(key) }
            // Nobody that has to be dialled answers before it counts as silent, nor within the time that the silent are waited for otherwise.
            world.linkAll(.latency(.milliseconds(700)))
            let first = try await Self.join(world, mode: .client, by: members[0])
            let nearest = try await world.perform { try await first.dht.closestPeers(to: key).peers }
            // Not all of the twenty: that is what the patience is for. But not the one alone that it has met.
            #expect(nearest.count >= 5, "\(nearest.count)")
            let second = try await Self.join(world, mode: .client, by: members[1])
            let found = try await world.perform { try await second.dht.findProviders(of: key) }
            #expect(found.map(\.peer) == [members[2].host.peerID])
        }
    }

    @Test("After each query, whether it led to something, failed or was given up, all counts are as before", .timeLimit(.minutes(3)))
    func counts() async throws {
        try await withWorld(seed: 17, everyLink: .latency(.milliseconds(20))) { world in
            let members = try await Self.network(world, of: 12)
            let asker = members[7].dht
            let key: [UInt8] = [1, 2, 3]
            let name = Array("/any/thing".utf8)
            let (known, unknown) = (members[3].host.peerID, try Fixture.peer(200))
            let nodes = try members.map { try $0.dht.node() }

            func counts() -> [[Int]] {
                zip(members, nodes).map { member, node in
                    node.state.withLock { state in
                        let own = state.held - state.charged
                        return [
                            member.host.statistics().streams, state.asking.count, state.checks.count, node.inbound.load(ordering: .relaxed),
                            own,
                        ]
                    }
                }
            }
            func check(_ what: String, mayFail: Bool = false, _ query: @escaping @Sendable () async throws -> Void) async throws {
                do { try await world.perform(query) } catch {
                    if !mayFail { Issue.record("\(what): \(error)") }
                }
                // Streams are kept for a while; and now and then a table is looked through.
                for _ in 0..<5 {
                    try await world.run(for: .seconds(12))
                    if counts().joined().allSatisfy({ $0 == 0 }) { return }
                }
                Issue.record("\(what): \(counts())")
            }
            try await check("closest") { _ = try await asker.closestPeers(to: key) }
            try await check("a peer") { _ = try await asker.findPeer(known) }
            try await check("nobody", mayFail: true) { _ = try await asker.findPeer(unknown) }
            try await check("provide") { try await asker.provide(key) }
            try await check("many") { try await asker.provide(all: [key, [9], [8]]) }
            try await check("providers") { try await members[2].dht.findProviders(of: key, count: 1) }
            try await check("no providers", mayFail: true) { try await asker.findProviders(of: [77]) }
            try await check("put") { try await asker.put([1], for: name) }
            try await check("get") { _ = try await members[5].dht.value(for: name) }
            try await check("no value", mayFail: true) { _ = try await asker.value(for: Array("/any/other".utf8)) }
            try await check("given up", mayFail: true) {
                let query = Task { try await asker.closestPeers(to: [5]) }
                query.cancel()
                _ = try await query.value
            }
            try await check("a sequence that nobody reads on") {
                for try await _ in asker.events(of: .closestPeers(to: [6])) { break }
            }
            #expect(nodes.allSatisfy { $0.jobs.poll() == nil && $0.announcements.poll() == nil })
        }
    }

    @Test("Told early, most have taken note when it returns, the others a moment later; and it is found", .timeLimit(.minutes(3)))
    func optimistic() async throws {
        try await withWorld(seed: 18, everyLink: .latency(.milliseconds(50))) { world in
            let members = try await Self.network(world, of: 16) { configuration in
                configuration.replication = 6
                configuration.isOptimistic = true
            }
            let provider = members[9]
            for number in 0..<6 { _ = try await world.perform { try await provider.dht.closestPeers(to: [UInt8(number), 1]) } }
            #expect(provider.dht.statistics.networkSize != nil)
            let nodes = try members.map { try $0.dht.node() }
            for number in 0..<10 {
                let key = [UInt8(number), 2]
                let stored = try await world.perform { try await provider.dht.provide(key) }
                #expect(stored.holders.count >= 5 && stored.summary.found == stored.holders.count, "\(stored)")
                try await world.run(for: .seconds(3))
                let now = try provider.dht.node().clock.now()
                let holders = nodes.count { node in !node.state.withLock { $0.providers.providers(of: key, at: now) }.isEmpty }
                #expect(holders >= 6, "\(holders)")
                let found = try await world.perform { try await members[14].dht.findProviders(of: key) }
                #expect(found.map(\.peer) == [provider.host.peerID])
            }
        }
    }

    @Test("Where peers crowd around a key it is said, and what is stored goes to the region around", .timeLimit(.minutes(3)))
    func crowd() async throws {
        try await withWorld(seed: 19, everyLink: .latency(.milliseconds(20))) { world in
            let members = try await Self.network(world, of: 18) { $0.replication = 3 }
            let provider = members[5]
            let node = try provider.dht.node()
            for number in 0..<12 { _ = try await world.perform { try await provider.dht.closestPeers(to: [UInt8(number), 1]) } }
            let expected = try #require(node.state.withLock { $0.size.expectedDistance(of: 3) })
            let points = members.filter { $0.host.peerID != provider.host.peerID }.map { KademliaPoint(of: $0.host.peerID) }
            // Chance has made a place where three lie as near as those do that were made for it.
            let key = try #require(
                (0..<20_000).lazy.map { [UInt8(truncatingIfNeeded: $0), UInt8($0 / 256)] }.first { key in
                    let target = KademliaPoint(ofKey: key)
                    let distances = points.map { $0.distance(to: target).fraction }.sorted()
                    return distances[2] < expected * NetworkSize.crowding * 0.9 && distances[4] < expected * 0.9
                })
            let parts = Mutex<[Double]>([])
            let stored = try await world.perform {
                try await provider.dht.provide(key) { event in
                    if case .crowded(let part) = event { parts.withLock { $0.append(part) } }
                }
            }
            #expect(parts.withLock { !$0.isEmpty && $0.allSatisfy { $0 < NetworkSize.crowding } })
            #expect(stored.holders.count > 3 && stored.holders.count <= 3 * KademliaLimits.regionFactor, "\(stored)")
            let found = try await world.perform { try await members[11].dht.findProviders(of: key) }
            #expect(found.map(\.peer) == [provider.host.peerID])
        }
    }

    @Test("One host is in the public network and in the local one at once, and neither hears of the other", .timeLimit(.minutes(2)))
    func both() async throws {
        try await withWorld(seed: 20, everyLink: .latency(.milliseconds(20))) { world in
            func table(_ configuration: KademliaConfiguration, by way: PeerHost?) -> Kademlia {
                var configuration = configuration
                configuration.mode = .server
                // The world's addresses are neither.
                configuration.addresses = .any
                if let way { configuration.bootstrap = way.listenAddresses }
                return Kademlia(configuration)
            }
            let (publicWay, localWay) = (table(.amino, by: nil), table(.lan, by: nil))
            let (publicHost, localHost) = (try await world.host(Identify(), publicWay), try await world.host(Identify(), localWay))
            let (wide, near) = (table(.amino, by: publicHost), table(.lan, by: localHost))
            let host = try await world.host(Identify(), wide, near)
            let others = (table(.amino, by: publicHost), table(.lan, by: localHost))
            let otherHosts = (try await world.host(Identify(), others.0), try await world.host(Identify(), others.1))
            try await world.run(for: .seconds(20))
            #expect(Set(wide.knownPeers) == [publicHost.peerID, otherHosts.0.peerID])
            #expect(Set(near.knownPeers) == [localHost.peerID, otherHosts.1.peerID])
            try await world.perform { try await others.1.provide([7]) }
            let found = try await world.perform { try await near.findProviders(of: [7]) }
            #expect(found.map(\.peer) == [otherHosts.1.peerID])
            await #expect(throws: KademliaError(.notFound, "")) { try await world.perform { try await wide.findProviders(of: [7]) } }
            // A dial without an address asks both.
            for other in [otherHosts.0, otherHosts.1] {
                await host.peerstore.forget(other.peerID)
                try await world.perform { await host.disconnect(other.peerID) }
                #expect(try await world.perform { try await host.connect(to: other.peerID) }.remotePeer == other.peerID)
            }
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
