import P2PCore
import P2PHost
import P2PIdentify
import P2PIdentity
import P2PPing
import P2PTesting
import Synchronization
import Testing

@Suite("World")
struct WorldTests {
    /// A host that answers pings, and tells and asks who is there.
    private static func resident(of world: World) async throws -> PeerHost {
        try await world.host(Identify(), PingProtocol())
    }

    /// What came of pings.
    private final class Tally: Sendable {
        let answered = Atomic<Int>(0)
        /// Those that took what the link says.
        let exact = Atomic<Int>(0)
    }

    /// Pings, and how long that took in the world.
    private static func ping(_ pinger: Pinger, in world: World) async throws -> Duration {
        let began = world.clock.now
        _ = try await pinger.ping(timeout: nil)
        return began.duration(to: world.clock.now)
    }

    @Test("Two hosts meet, ping each other, and leave nothing behind", .timeLimit(.minutes(1)))
    func meeting() async throws {
        let clock = try await withWorld(seed: 7) { world in
            let a = try await Self.resident(of: world)
            let b = try await Self.resident(of: world)
            world.link(a, b, .latency(.milliseconds(40)))
            let began = world.clock.now
            let connection = try await world.perform { try await a.connect(to: b.peerID, at: b.listenAddresses) }
            #expect(connection.remotePeer == b.peerID)
            #expect(began.duration(to: world.clock.now) == .milliseconds(160))
            let pinger = Pinger(on: connection)
            #expect(try await world.perform { try await Self.ping(pinger, in: world) } == .milliseconds(80))
            try await world.run(for: .seconds(5))
            #expect(await a.peerstore.introduction(of: b.peerID)?.protocols.contains(PingProtocol.id) == true)
            #expect(await b.peerstore.introduction(of: a.peerID)?.protocols.contains(PingProtocol.id) == true)
            return world.clock
        }
        #expect(clock.sleeperCount == 0)
    }

    @Test("A partition ends connections; healed, the hosts find each other again", .timeLimit(.minutes(1)))
    func partition() async throws {
        try await withWorld(seed: 7, everyLink: .latency(.milliseconds(20))) { world in
            let hosts = [try await Self.resident(of: world), try await Self.resident(of: world), try await Self.resident(of: world)]
            let (a, b, c) = (hosts[0], hosts[1], hosts[2])
            for host in [b, c] { try a.keepConnected(host.peerID, at: host.listenAddresses) }
            _ = try await world.perform { try await b.connect(to: c.peerID, at: c.listenAddresses) }
            try await world.run(for: .seconds(5))
            #expect(hosts.map { $0.connections().count } == [2, 2, 2])

            world.partition([a], [b, c])
            try await world.run(for: .seconds(29))
            #expect(hosts.map { $0.connections().count } == [2, 2, 2])
            try await world.run(for: .seconds(2))
            #expect(hosts.map { $0.connections().count } == [0, 1, 1])

            world.heal()
            try await world.run(for: .seconds(10))
            #expect(hosts.map { $0.connections().count } == [2, 2, 2])
        }
    }

    @Test("The same seed makes the same trace, another seed another one", .timeLimit(.minutes(2)))
    func determinism() async throws {
        func trace(seed: UInt64) async throws -> ([WorldEvent], UInt64) {
            let link = Link.latency(.milliseconds(30)).jitter(.milliseconds(20)).loss(0.05).bandwidth(50_000).timeout(.seconds(10))
            return try await withWorld(seed: seed, everyLink: link, traceLimit: 100_000) { world in
                var hosts: [PeerHost] = []
                for _ in 0..<12 { hosts.append(try await Self.resident(of: world)) }
                for (index, host) in hosts.enumerated() {
                    for step in [1, 2, 5] {
                        let other = hosts[(index + step) % hosts.count]
                        try host.keepConnected(other.peerID, at: other.listenAddresses)
                    }
                }
                try await world.run(for: .seconds(20))
                world.partition(Array(hosts[..<4]), Array(hosts[4...]))
                try await world.run(for: .seconds(60))
                world.heal()
                try await world.run(for: .seconds(60))
                #expect(hosts.allSatisfy { $0.connections().count >= 3 })
                return (world.trace, world.fingerprint)
            }
        }
        let first = try await trace(seed: 11)
        let second = try await trace(seed: 11)
        let other = try await trace(seed: 12)
        #expect(first.0.count > 500)
        for (index, (one, two)) in zip(first.0, second.0).enumerated() where one != two {
            Issue.record("event \(index) is \(one), then \(two)")
            break
        }
        #expect(first.0.count == second.0.count)
        #expect(first.1 == second.1)
        #expect(first.1 != other.1)
    }

    @Test("Two hundred hosts live through ten minutes in seconds", .timeLimit(.minutes(5)))
    func twoHundred() async throws {
        let count = 200
        let pings = 60
        let tally = Tally()
        try await withWorld(seed: 2, everyLink: .latency(.milliseconds(50))) { world in
            var hosts: [PeerHost] = []
            for _ in 0..<count { hosts.append(try await Self.resident(of: world)) }
            let start = world.clock.now
            let residents = hosts
            try await world.perform {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (index, host) in residents.enumerated() {
                        for (turn, step) in [1, 17, 80].enumerated() {
                            let other = residents[(index + step) % count]
                            let latency = Duration.milliseconds(5 + (index * 3 + turn) % 120)
                            world.link(host, other, .latency(latency))
                            group.addTask {
                                let connection = try await host.connect(to: other.peerID, at: other.listenAddresses)
                                let pinger = Pinger(on: connection)
                                for _ in 0..<pings {
                                    let roundTrip = try await Self.ping(pinger, in: world)
                                    tally.answered.wrappingAdd(1, ordering: .relaxed)
                                    if roundTrip == latency * 2 { tally.exact.wrappingAdd(1, ordering: .relaxed) }
                                    try await world.run(for: .seconds(10) - roundTrip)
                                }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            #expect(start.duration(to: world.clock.now) > .seconds(600))
            #expect(start.duration(to: world.clock.now) < .seconds(602))
            for (index, host) in hosts.enumerated() {
                #expect(host.connections().count == 6)
                for step in [1, 17, 80] {
                    #expect(await host.peerstore.introduction(of: hosts[(index + step) % count].peerID) != nil)
                    #expect(await host.peerstore.introduction(of: hosts[(index + count - step) % count].peerID) != nil)
                }
            }
        }
        #expect(tally.answered.load(ordering: .relaxed) == count * 3 * pings)
        #expect(tally.exact.load(ordering: .relaxed) == count * 3 * pings)
    }

    @Test("A world says when something can't come about, or does not in time")
    func waitingInVain() async throws {
        let world = World(seed: 1)
        let stuck = await #expect(throws: WorldError.self) { try await world.run(until: { false }) }
        #expect(stuck?.code == .stuck)
        let began = world.clock.now
        let late = await #expect(throws: WorldError.self) {
            try await world.perform(within: .seconds(5)) { await world.hostClock.sleep(for: .seconds(60)) }
        }
        #expect(late?.code == .timedOut)
        #expect(began.duration(to: world.clock.now) == .seconds(5))
        _ = try await world.perform {
            let inside = await #expect(throws: WorldError.self) { try await world.runUntilIdle() }
            #expect(inside?.code == .insideTheWorld)
        }
    }

    @Test("Idle is when nothing is on its way, though many sleep", .timeLimit(.minutes(1)))
    func idle() async throws {
        try await withWorld(seed: 1, everyLink: .latency(.milliseconds(10))) { world in
            let a = try await Self.resident(of: world)
            let b = try await Self.resident(of: world)
            let began = world.clock.now
            _ = try await world.perform { try await a.connect(to: b.peerID, at: b.listenAddresses) }
            try await world.runUntilIdle()
            // Both have introduced themselves: a's request arrives 10 ms after a has the connection, and b's 10 ms later.
            #expect(began.duration(to: world.clock.now) < .milliseconds(200))
            #expect(await a.peerstore.introduction(of: b.peerID) != nil)
            #expect(await b.peerstore.introduction(of: a.peerID) != nil)
            #expect(world.clock.sleeperCount > 0)
        }
    }
}
