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

/// Peers that mean no good, on a network in virtual time.
@Suite("A table among hostile peers")
struct HostileTests {
    static let network: ProtocolID = "/hostile/kad/1.0.0"

    struct Member {
        let host: PeerHost
        let dht: Kademlia
    }

    static func join(
        _ world: World, by way: PeerHost? = nil, mode: KademliaMode = .server
    ) async throws -> Member {
        var configuration = KademliaConfiguration(Self.network, mode: mode, namespaces: .publicNetwork)
        configuration.namespaces["any"] = AnyValueValidator()
        if let way { configuration.bootstrap = way.listenAddresses }
        let dht = Kademlia(configuration)
        return Member(host: try await world.host(Identify(), dht), dht: dht)
    }

    /// A host that serves the protocol as `body` says.
    static func liar(
        _ world: World, to members: [PeerHost], _ body: @escaping @Sendable (PeerStream, KademliaMessage) async throws -> Void
    ) async throws -> PeerHost {
        let handler = ClosureHandler([Self.network]) { stream, _ in
            while let bytes = try await stream.readMessage(upTo: 128 * 1_024) {
                try await body(stream, try KademliaMessage(reading: bytes))
            }
        }
        let host = try await world.host(Identify(), handler)
        for member in members {
            _ = try await world.perform { try await host.connect(to: member.listenAddresses[0]) }
        }
        return host
    }

    @Test(
        "Who speaks the protocol and does not answer never enters the table; who answers the check alone leaves it", .timeLimit(.minutes(1))
    )
    func mute() async throws {
        try await withWorld(seed: 31, everyLink: .latency(.milliseconds(20)).timeout(.seconds(10))) { world in
            let one = try await Self.join(world)
            let mute = try await Self.liar(world, to: [one.host]) { _, _ in }
            let checks = Mutex(0)
            let own = one.host.peerID.bytes
            let brief = try await Self.liar(world, to: [one.host]) { stream, request in
                guard request.key == own,
                    checks.withLock({
                        $0 += 1; return $0
                    }) == 1
                else { return }
                try await stream.writeMessage(KademliaMessage(.findNode).encoded())
            }
            try await world.run(for: .seconds(9))
            #expect(one.dht.knownPeers == [brief.peerID])
            // A look-up that it does not answer, and the question afterwards whether it is there.
            _ = try? await world.perform { try await one.dht.closestPeers(to: [1]) }
            try? await world.perform { try await one.dht.refresh() }
            try await world.run(for: .seconds(30))
            #expect(!one.dht.knownPeers.contains(mute.peerID))
            let honest = try await Self.join(world, by: one.host)
            try await world.run(for: .seconds(10))
            try await world.perform { try await one.dht.refresh() }
            #expect(one.dht.knownPeers == [honest.host.peerID])
        }
    }

    @Test("Sixty fresh ids that answer find no more room than there is, and nobody who was there goes", .timeLimit(.minutes(2)))
    func crowd() async throws {
        try await withWorld(seed: 32, everyLink: .latency(.milliseconds(20)).timeout(.seconds(10))) { world in
            let one = try await Self.join(world)
            var others: [Member] = []
            for _ in 0..<4 { others.append(try await Self.join(world, by: one.host)) }
            try await world.run(for: .seconds(20))
            let before = Set(one.dht.knownPeers)
            #expect(before == Set(others.map(\.host.peerID)))
            for _ in 0..<60 {
                _ = try await Self.liar(world, to: [one.host]) { stream, request in
                    var answer = KademliaMessage(request.kind, key: request.kind == .findNode ? [] : request.key)
                    // It names somebody, as a check would have it.
                    answer.closer = [KademliaContact(try Fixture.peer(number: 7), at: [try Multiaddr("/ip4/10.9.9.9/tcp/1")])]
                    try await stream.writeMessage(answer.encoded())
                }
            }
            try await world.run(for: .seconds(20))
            #expect(before.isSubset(of: one.dht.knownPeers))
            #expect(one.dht.statistics.buckets.allSatisfy { $0 <= 20 }, "\(one.dht.statistics.buckets)")
        }
    }

    @Test("Of eighty newcomers at once sixty-four are checked, and what does not answer leaves nothing behind", .timeLimit(.minutes(2)))
    func newcomers() async throws {
        try await withWorld(seed: 37, everyLink: .latency(.milliseconds(20)).timeout(.seconds(10))) { world in
            let one = try await Self.join(world)
            let node = try one.dht.node()
            var mute: [PeerHost] = []
            for _ in 0..<80 {
                let handler = ClosureHandler([Self.network]) { stream, _ in while try await stream.read() != nil {} }
                mute.append(try await world.host(Identify(), handler))
            }
            let address = one.host.listenAddresses[0]
            try await world.perform { [mute] in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for host in mute { group.addTask { _ = try await host.connect(to: address) } }
                    try await group.waitForAll()
                }
            }
            try await world.run(for: .seconds(2))
            #expect(node.state.withLock { $0.checks.count } == KademliaLimits.checks)
            try await world.run(for: .seconds(20))
            #expect(node.state.withLock { $0.checks.isEmpty } && one.dht.knownPeers.isEmpty)
        }
    }

    @Test("A forged value goes to nobody, an older one gives way, and both holders are sent the best", .timeLimit(.minutes(1)))
    func poison() async throws {
        try await withWorld(seed: 38, everyLink: .latency(.milliseconds(20))) { world in
            let key = IPNSRecord.key(of: try Fixture.peer(1))
            let (old, best) = (try Fixture.hex(Fixture.ipnsV2), try Fixture.hex(Fixture.ipnsV1V2))
            var forged = best
            // The first byte of what is named.
            forged[2] ^= 1
            let seeker = try await Self.join(world)
            let honest = try await Self.join(world, by: seeker.host)
            try await world.run(for: .seconds(5))
            try await world.perform { try await honest.dht.put(best, for: key) }
            try seeker.dht.node().change { $0.values.remove(key) }
            let sent = Mutex<[[[UInt8]]]>([[], []])
            var holders: [PeerHost] = []
            for (number, value) in [forged, old].enumerated() {
                holders.append(
                    try await Self.liar(world, to: [seeker.host, honest.host]) { stream, request in
                        var answer = KademliaMessage(request.kind, key: request.kind == .findNode ? [] : request.key)
                        if request.kind == .getValue { answer.record = KademliaRecord(key: request.key, value: value) }
                        if request.kind == .putValue {
                            answer.record = request.record
                            sent.withLock { $0[number].append(request.record?.value ?? []) }
                        }
                        try await stream.writeMessage(answer.encoded())
                    })
            }
            try await world.run(for: .seconds(20))
            #expect(Set(seeker.dht.knownPeers) == Set(holders.map(\.peerID) + [honest.host.peerID]))
            let refused = Mutex<[PeerID]>([])
            let found = try await world.perform {
                try await seeker.dht.value(for: key, quorum: 0) {
                    if case .refused(let peer, _) = $0 { refused.withLock { $0.append(peer) } }
                }
            }
            #expect(found == best)
            #expect(refused.withLock { $0 } == [holders[0].peerID])
            #expect(sent.withLock { $0 } == [[best], [best]])
        }
    }

    @Test("Of a hundred streams of one peer thirty-two are served, the others refused; afterwards it is as before", .timeLimit(.minutes(1)))
    func streams() async throws {
        try await withWorld(seed: 33, everyLink: .latency(.milliseconds(20))) { world in
            let one = try await Self.join(world)
            let flooder = try await world.host(Identify())
            let connection = try await world.perform { try await flooder.connect(to: one.host.listenAddresses[0]) }
            @Sendable func ask(_ stream: PeerStream) async -> Bool {
                do {
                    try await stream.writeMessage(KademliaMessage(.ping).encoded())
                    return try await stream.readMessage(upTo: 1_000) != nil
                } catch {
                    return false
                }
            }
            for round in 0..<2 {
                let (answered, streams) = try await world.perform {
                    var streams: [PeerStream] = []
                    var answered = 0
                    for _ in 0..<100 {
                        let stream = try await connection.openStream(Self.network)
                        streams.append(stream)
                        if await ask(stream) { answered += 1 }
                    }
                    return (answered, streams)
                }
                #expect(answered == KademliaLimits.inboundStreamsPerPeer, "round \(round)")
                for stream in streams { stream.reset() }
                try await world.run(for: .seconds(2))
            }
            #expect(one.host.statistics().streams <= 4)
        }
    }

    @Test("When a server becomes a client, streams of requests are reset at once", .timeLimit(.minutes(1)))
    func downgrade() async throws {
        try await withWorld(seed: 34, everyLink: .latency(.milliseconds(20))) { world in
            let one = try await Self.join(world, mode: .automatic)
            one.dht.setReachable(true)
            let client = try await world.host(Identify())
            let connection = try await world.perform { try await client.connect(to: one.host.listenAddresses[0]) }
            let stream = try await world.perform {
                let stream = try await connection.openStream(Self.network)
                try await stream.writeMessage(KademliaMessage(.ping).encoded())
                #expect(try await stream.readMessage(upTo: 1_000) != nil)
                return stream
            }
            one.dht.setReachable(false)
            let start = world.clock.now
            await #expect(throws: StreamError(.reset, "")) {
                try await world.perform { _ = try await stream.readMessage(upTo: 1_000) }
            }
            #expect(start.duration(to: world.clock.now) < .seconds(1))
        }
    }

    @Test("Two answers to one request, and an answer to an announcement, spoil nothing", .timeLimit(.minutes(1)))
    func twoAnswers() async throws {
        try await withWorld(seed: 35, everyLink: .latency(.milliseconds(20))) { world in
            let one = try await Self.join(world)
            let twice = try await Self.liar(world, to: [one.host]) { stream, request in
                let answer = KademliaMessage(request.kind, key: request.key)
                try await stream.writeMessage(answer.encoded())
                var second = answer
                second.closer = [KademliaContact(try Fixture.peer(number: 3), at: [try Multiaddr("/ip4/10.0.0.9/tcp/1")])]
                try await stream.writeMessage(second.encoded())
            }
            try await world.run(for: .seconds(10))
            #expect(one.dht.knownPeers == [twice.peerID])
            let asked = Mutex<[PeerID]>([])
            let found = try await world.perform {
                try await one.dht.closestPeers(to: [1]) { if case .asked(let peer, _) = $0 { asked.withLock { $0.append(peer) } } }
            }
            #expect(found.peers.map(\.peer) == [twice.peerID] && asked.withLock { $0 } == [twice.peerID])
            #expect(try await world.perform { try await one.dht.provide([1]).holders } == [twice.peerID])
            #expect(one.dht.knownPeers == [twice.peerID])
        }
    }

    @Test("A list of providers that nobody is at, from several, ends no counted search; the one who is there does", .timeLimit(.minutes(1)))
    func falseProviders() async throws {
        try await withWorld(seed: 36, everyLink: .latency(.milliseconds(20)).timeout(.seconds(5))) { world in
            let seeker = try await Self.join(world)
            let keeper = try await Self.join(world, by: seeker.host)
            let second = try await Self.join(world, by: seeker.host)
            let provider = try await Self.join(world, by: seeker.host)
            try await world.run(for: .seconds(20))
            try await world.perform { try await provider.dht.provide([5, 5]) }
            let ghosts = try (0..<5).map { number in
                KademliaContact(try Fixture.peer(number: number), at: [try Multiaddr("/ip4/10.66.0.1/tcp/\(number + 1)")])
            }
            for _ in 0..<3 {
                _ = try await Self.liar(world, to: [seeker.host, keeper.host, second.host]) { stream, request in
                    guard request.kind != .addProvider else { return }
                    var answer = KademliaMessage(request.kind, key: request.kind == .findNode ? [] : request.key)
                    if request.kind == .getProviders { answer.providers = ghosts }
                    try await stream.writeMessage(answer.encoded())
                }
            }
            try await world.run(for: .seconds(20))
            #expect(seeker.dht.knownPeers.count == 6)
            for _ in 0..<3 {
                let found = try await world.perform { try await seeker.dht.findProviders(of: [5, 5], count: 1) }
                #expect(found.map(\.peer).contains(provider.host.peerID), "\(found)")
            }
        }
    }
}
