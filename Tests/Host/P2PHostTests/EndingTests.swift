import NIOCore
import P2PCore
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@testable import P2PHost

@Suite("The end of a host, when things are under way", .timeLimit(.minutes(1)))
struct EndingTests {
    private let world = FakeWorld()

    /// Two hosts that run, and a stream from the first that a handler of the second holds open.
    private struct Pair {
        let (a, b): (PeerHost, PeerHost)
        let (aRuns, bRuns): (Task<Void, any Error>, Task<Void, any Error>)
        let connection: ConnectionInfo
        let stream: PeerStream
        let listenersEnd: FakeConnection
    }

    private func pair() async throws -> Pair {
        let (a, b) = (try self.world.host(), try self.world.host())
        try b.serve(ClosureHandler("/hang") { _, _ in await Signal().wait() })
        let address = try await b.listen(on: self.world.address(0))[0]
        let (aRuns, bRuns) = (Task { try await a.run() }, Task { try await b.run() })
        await a.waitUntilRunning()
        await b.waitUntilRunning()
        let connection = try await a.connect(to: address)
        let stream = try await a.openStream(on: connection.id, protocols: ["/hang"])
        try await stream.write(text: "x")
        while b.swarm.limits.counts.inboundStreams == 0 { await Task.yield() }
        return Pair(
            a: a, b: b, aRuns: aRuns, bRuns: bRuns, connection: connection.info, stream: stream,
            listenersEnd: self.world.network.connections[1])
    }

    private func end(_ pair: Pair) async throws {
        pair.stream.reset()
        pair.a.shutDown()
        try await self.world.clock.passing { try await pair.aRuns.value }
        for host in [pair.a, pair.b] {
            #expect(host.statistics().tasks == 0)
            #expect(host.statistics().connections == 0)
        }
    }

    @Test("A shutdown shortens the grace of a connection that is closing already")
    func shorterGrace() async throws {
        let pair = try await self.pair()
        let disconnecting = Task { await pair.b.disconnect(pair.a.peerID, grace: .seconds(600)) }
        await pair.listenersEnd.closing.wait()
        let start = self.world.clock.now
        pair.b.shutDown()
        try await self.world.clock.passing { try await pair.bRuns.value }
        #expect(pair.listenersEnd.ended.isFired)
        #expect(self.world.clock.now - start < .seconds(300))
        await disconnecting.value
        try await self.end(pair)
    }

    @Test("Cancelling run closes a connection that is closing already")
    func cancelledGrace() async throws {
        let pair = try await self.pair()
        let disconnecting = Task { await pair.b.disconnect(pair.a.peerID, grace: .seconds(600)) }
        await pair.listenersEnd.closing.wait()
        pair.bRuns.cancel()
        try await pair.bRuns.value
        #expect(pair.listenersEnd.ended.isFired)
        await disconnecting.value
        try await self.end(pair)
    }

    @Test("A longer grace does not lengthen a shorter one")
    func longerGrace() async throws {
        let pair = try await self.pair()
        let start = self.world.clock.now
        let closing = Task { await pair.b.disconnect(pair.a.peerID, grace: .seconds(2)) }
        await self.world.clock.sleeper(until: start + .seconds(2))
        let again = Task { await pair.b.disconnect(pair.a.peerID, grace: .seconds(600)) }
        self.world.clock.advance(.seconds(2))
        for task in [closing, again] { await task.value }
        #expect(pair.listenersEnd.closeCodes == [.normal])
        pair.b.shutDown()
        try await self.world.clock.passing { try await pair.bRuns.value }
        try await self.end(pair)
    }

    @Test("A connection that does not end with its grace is closed without")
    func ignoredGrace() async throws {
        let pair = try await self.pair()
        pair.listenersEnd.ignoresGrace.withLock { $0 = true }
        let start = self.world.clock.now
        pair.b.shutDown()
        try await self.world.clock.passing { try await pair.bRuns.value }
        #expect(pair.listenersEnd.ended.isFired)
        #expect(self.world.clock.now - start >= .seconds(6))
        try await self.end(pair)
    }

    @Test("An address that is bound while the host ends is closed, and the caller told")
    func lateListener() async throws {
        let host = try self.world.host()
        let running = Task { try await host.run() }
        await host.waitUntilRunning()
        let (begun, permission) = (Signal(), Signal())
        self.world.network.binding.withLock { $0 = (begun, permission) }
        let address = self.world.address(7)
        let listening = Task { try await host.listen(on: address) }
        await begun.wait()
        host.shutDown()
        try await running.value
        permission.fire()
        await #expect(throws: TransportError(.closed, "")) { try await listening.value }
        #expect(self.world.network.listener(at: address)?.stopped.isFired == true)
        #expect(host.listenAddresses.isEmpty)
    }

    @Test("What was bound, but never handed to anybody who serves it, is closed at the end")
    func unservedListener() async throws {
        let host = try self.world.host()
        let address = try await host.listen(on: self.world.address(7))[0]
        await host.swarm.stop()
        #expect(self.world.network.listener(at: address.withoutPeerID)?.stopped.isFired == true)
        #expect(host.listenAddresses.isEmpty)
    }

    @Test("A host that is shut down before it runs closes what it bound")
    func shutDownFirst() async throws {
        let host = try self.world.host()
        let address = try await host.listen(on: self.world.address(7))[0]
        host.shutDown()
        try await host.run()
        #expect(self.world.network.listener(at: address.withoutPeerID)?.stopped.isFired == true)
        #expect(host.listenAddresses.isEmpty)
    }

    @Test("A connection whose peer said goodbye is not what the next dial returns")
    func goingAway() async throws {
        let pair = try await self.pair()
        let leaving = Task { await pair.b.disconnect(pair.a.peerID, grace: .seconds(600)) }
        await pair.listenersEnd.closing.wait()
        await #expect(throws: StreamError(.connectionLost, "")) {
            try await pair.a.openStream(on: pair.connection.id, protocols: ["/hang"])
        }
        let next = try await pair.a.connect(to: pair.b.peerID)
        #expect(next.id != pair.connection.id)
        #expect(pair.a.connections().count == 2)
        pair.b.shutDown()
        try await self.world.clock.passing { try await pair.bRuns.value }
        await leaving.value
        try await self.end(pair)
    }
}
