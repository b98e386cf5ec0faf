import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PTesting

/// The network of a world, without hosts on it.
@Suite("The network of a world")
struct WorldNetworkTests {
    /// Two ends of a connection, and how long the dialer took to get its own.
    private struct Ends: Sendable {
        let dialer: any MuxedConnection
        let listener: any MuxedConnection
        let dial: Duration
    }

    private static func transport(_ number: UInt8, in world: World) throws -> WorldTransport {
        let key = try PrivateKey(ed25519Seed: [UInt8](repeating: number, count: 32)).publicKey
        return WorldTransport(network: world.network, key: key, host: world.network.add(PeerID(key)))
    }

    private static func connect(_ world: World) async throws -> Ends {
        let near = try Self.transport(1, in: world)
        let far = try Self.transport(2, in: world)
        return try await world.perform {
            let listener = try await far.listen(on: Multiaddr("/ip4/0.0.0.0/tcp/0"))
            let accepted = Inbox<any MuxedConnection, Never>(limit: 1)
            let running = Task(executorPreference: world.executor) {
                try await listener.run { arrival in
                    if let connection = try? await arrival.accept() { _ = accepted.offer(connection) }
                }
            }
            let began = world.clock.now
            let dialled = try await near.dial(
                listener.addresses[0], expecting: far.peer, options: DialOptions(deadline: world.clock.deadline + .seconds(60)))
            let dial = began.duration(to: world.clock.now)
            let connection = try #require(await accepted.next())
            running.cancel()
            try await running.value
            return Ends(dialer: dialled, listener: connection, dial: dial)
        }
    }

    /// Sends bytes over a new stream; returns how long it took until the other end had all of them.
    private static func carry(_ count: Int, over ends: Ends, in world: World) async throws -> Duration {
        try await world.perform {
            let began = world.clock.now
            let stream = try await ends.dialer.openStream()
            async let sent: Void = {
                try await stream.write(ByteBuffer(repeating: 7, count: count))
                try await stream.finish()
            }()
            var streams = ends.listener.inboundStreams.makeAsyncIterator()
            let arrived = try #require(try await streams.next())
            var received = 0
            while received < count, let bytes = try await arrived.read() { received += bytes.readableBytes }
            let took = began.duration(to: world.clock.now)
            try await sent
            #expect(try await arrived.read() == nil)
            try await arrived.finish()
            #expect(received == count)
            return took
        }
    }

    @Test("Latency is exact: two round trips for a connection, half a one for what is sent", .timeLimit(.minutes(1)))
    func latency() async throws {
        let world = World(seed: 1, everyLink: .latency(.nanoseconds(40_000_001)))
        let ends = try await Self.connect(world)
        #expect(ends.dial == .nanoseconds(4 * 40_000_001))
        #expect(try await Self.carry(1, over: ends, in: world) == .nanoseconds(40_000_001))
        #expect(try await Self.carry(5_000, over: ends, in: world) == .nanoseconds(40_000_001))
    }

    @Test("Bandwidth makes bytes wait for those before them", .timeLimit(.minutes(1)))
    func bandwidth() async throws {
        let world = World(seed: 1, everyLink: .latency(.milliseconds(30)).bandwidth(100_000))
        let ends = try await Self.connect(world)
        #expect(ends.dial == .milliseconds(120))
        #expect(try await Self.carry(50_000, over: ends, in: world) == .milliseconds(530))
        // Nothing waits for what has left long ago.
        try await world.run(for: .seconds(60))
        #expect(try await Self.carry(50_000, over: ends, in: world) == .milliseconds(530))
    }

    @Test("A window makes the writer wait for the reader's credit", .timeLimit(.minutes(1)))
    func window() async throws {
        let world = World(seed: 1, everyLink: .latency(.milliseconds(10)))
        let ends = try await Self.connect(world)
        let took = try await Self.carry(3 * WorldConnection.window, over: ends, in: world)
        // Each window that is spent costs at least one round trip, and credit returns by halves.
        #expect(took >= .milliseconds(50))
        #expect(took <= .milliseconds(110))
    }

    @Test("A lost packet is late by a round trip and 25 ms, and the seed says which it is", .timeLimit(.minutes(1)))
    func loss() async throws {
        func times(seed: UInt64) async throws -> [Duration] {
            let world = World(seed: seed, everyLink: .latency(.milliseconds(10)).loss(0.2))
            let ends = try await Self.connect(world)
            var times: [Duration] = []
            for _ in 0..<200 { times.append(try await Self.carry(1, over: ends, in: world)) }
            return times
        }
        let first = try await times(seed: 3)
        let late = first.count { $0 > .milliseconds(10) }
        // Of 200 packets with a part of 0.2.
        #expect((15...70).contains(late))
        #expect(Set(first).isSubset(of: [10, 55, 145, 325, 685, 1_405].map { Duration.milliseconds($0) }))
        #expect(try await times(seed: 3) == first)
        #expect(try await times(seed: 4) != first)
    }

    @Test("Jitter stays within what it may be")
    func jitter() {
        var direction = LinkDirection(seed: 5)
        let link = Link.latency(.milliseconds(10)).jitter(.milliseconds(5))
        let flights = (0..<1_000).map { _ in direction.flight(of: 1, over: link) }
        #expect(flights.allSatisfy { (.milliseconds(10) ... .milliseconds(15)).contains($0) })
        #expect(Set(flights).count > 900)
    }

    @Test("Nothing passes a cut; once it is mended, what waited arrives in order", .timeLimit(.minutes(1)))
    func mending() async throws {
        let world = World(seed: 1, everyLink: .latency(.milliseconds(10)))
        let ends = try await Self.connect(world)
        let stream = try await world.perform { try await ends.dialer.openStream() }
        world.network.cut([WorldNetwork.Pair(0, 1)])
        try await world.perform { try await stream.write(ByteBuffer(string: "one ")) }
        try await world.run(for: .seconds(20))
        #expect(ends.listener.traffic.bytesIn == 0)
        // The first is held, the second is still on its way.
        try await world.perform { try await stream.write(ByteBuffer(string: "two ")) }
        world.network.mend(nil)
        try await world.perform { try await stream.write(ByteBuffer(string: "three")) }
        let began = world.clock.now
        let read = try await world.perform {
            var streams = ends.listener.inboundStreams.makeAsyncIterator()
            let arrived = try #require(try await streams.next())
            return String(buffer: try #require(try await arrived.readExactly(13)))
        }
        #expect(read == "one two three")
        #expect(began.duration(to: world.clock.now) == .milliseconds(10))
    }

    @Test("A cut that lasts for the link's time ends the connection at both ends", .timeLimit(.minutes(1)))
    func losing() async throws {
        let world = World(seed: 1, everyLink: .latency(.milliseconds(10)).timeout(.seconds(20)))
        let ends = try await Self.connect(world)
        world.network.cut([WorldNetwork.Pair(0, 1)])
        let began = world.clock.now
        let codes = try await world.perform {
            var codes: [ConnectionError.Code] = []
            for end in [ends.dialer, ends.listener] {
                var streams = end.inboundStreams.makeAsyncIterator()
                do throws(ConnectionError) { _ = try await streams.next() } catch { codes.append(error.code) }
            }
            return codes
        }
        #expect(codes == [.lost, .lost])
        #expect(began.duration(to: world.clock.now) == .seconds(20))
        #expect(world.network.connectionCount == 0)
    }

    @Test("A goodbye arrives after the latency, and leaves nothing behind", .timeLimit(.minutes(1)))
    func closing() async throws {
        let world = World(seed: 1, everyLink: .latency(.milliseconds(10)))
        let ends = try await Self.connect(world)
        let (took, code) = try await world.perform {
            let began = world.clock.now
            await ends.dialer.close(.normal, grace: .zero)
            #expect(began == world.clock.now)
            var streams = ends.listener.inboundStreams.makeAsyncIterator()
            var code: ConnectionError.Code?
            do throws(ConnectionError) { _ = try await streams.next() } catch { code = error.code }
            return (began.duration(to: world.clock.now), code)
        }
        #expect(took == .milliseconds(10))
        #expect(code == .closedByPeer)
        #expect(world.network.connectionCount == 0)
        #expect(world.clock.sleeperCount == 0)
    }

    @Test("Whoever is dialled in vain is told apart: no link, nobody listening, a stranger, a cut", .timeLimit(.minutes(1)))
    func dialingInVain() async throws {
        let world = World(seed: 1)
        let near = try Self.transport(1, in: world)
        let far = try Self.transport(2, in: world)
        let codes = try await world.perform {
            let listener = try await far.listen(on: Multiaddr("/ip4/0.0.0.0/tcp/4001"))
            let running = Task(executorPreference: world.executor) { try await listener.run { _ = try? await $0.accept() } }
            let address = listener.addresses[0]
            func code(_ address: Multiaddr, expecting peer: PeerID) async -> (TransportError.Code?, Duration) {
                let began = world.clock.now
                do throws(TransportError) {
                    _ = try await near.dial(
                        address, expecting: peer, options: DialOptions(deadline: world.clock.deadline + .seconds(10)))
                    return (nil, .zero)
                } catch {
                    return (error.code, began.duration(to: world.clock.now))
                }
            }
            var codes = [await code(address, expecting: far.peer)]
            world.network.setEveryLink(.latency(.milliseconds(10)))
            codes.append(await code(Multiaddr(ip: WorldNetwork.ip(of: 1), tcp: 9), expecting: far.peer))
            codes.append(await code(address, expecting: near.peer))
            world.network.cut([WorldNetwork.Pair(0, 1)])
            codes.append(await code(address, expecting: far.peer))
            running.cancel()
            try await running.value
            return codes
        }
        #expect(codes.map(\.0) == [.unreachable, .unreachable, .peerMismatch, .timedOut])
        #expect(codes.map(\.1) == [.zero, .milliseconds(20), .milliseconds(40), .seconds(10)])
    }
}
