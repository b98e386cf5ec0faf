import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@testable import P2PHost

/// Refuses at one of the three moments.
private struct Refusing: ConnectionGater {
    enum Moment { case dial, accept, keep }

    let moment: Moment

    func mayDial(_ address: Multiaddr, peer: PeerID?) async -> GateAnswer { GateAnswer(self.moment != .dial) }
    func mayAccept(from address: Multiaddr) async -> GateAnswer { GateAnswer(self.moment != .accept) }
    func mayKeep(_ connection: ConnectionInfo, dialledAt address: Multiaddr?) async -> GateAnswer {
        GateAnswer(self.moment != .keep)
    }
}

/// Never decides about a connection, until it is cancelled.
private struct Undecided: ConnectionGater {
    func mayKeep(_ connection: ConnectionInfo, dialledAt address: Multiaddr?) async -> GateAnswer {
        await Signal().wait()
        return true
    }
}

@Suite("Arrivals", .timeLimit(.minutes(1)))
struct ArrivalTests {
    private let world = FakeWorld()

    private func failure(_ events: HostEvents) async -> TransportError? {
        for await event in events {
            if case .arrivalFailed(_, let error) = event { return error }
        }
        return nil
    }

    @Test("The gater refuses an address before it is dialled")
    func mayDial() async throws {
        let (a, b) = (try self.world.host(gater: Refusing(moment: .dial)), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            let error = await #expect(throws: DialError.self) { try await a.connect(to: address) }
            #expect(error?.attempts.map(\.error.code) == [.gated])
            #expect(self.world.network.dialled.isEmpty)
        }
    }

    @Test("The gater refuses an arrival before any handshake")
    func mayAccept() async throws {
        let (a, b) = (try self.world.host(), try self.world.host(gater: Refusing(moment: .accept)))
        let address = try await b.listen(on: self.world.address(0))[0]
        let events = b.events()
        try await self.world.run(a, b) {
            let error = await #expect(throws: DialError.self) { try await a.connect(to: address) }
            #expect(error?.attempts.map(\.error.code) == [.closed])
            #expect(await self.failure(events)?.code == .gated)
            #expect(self.world.network.listener(at: address.withoutPeerID)?.accepted.withLock { $0 } == 0)
        }
    }

    @Test("The gater refuses a peer once it has proved who it is, with the code for that")
    func mayKeep() async throws {
        let (a, b) = (try self.world.host(), try self.world.host(gater: Refusing(moment: .keep)))
        let address = try await b.listen(on: self.world.address(0))[0]
        let events = b.events()
        try await self.world.run(a, b) {
            _ = try? await a.connect(to: address)
            #expect(await self.failure(events)?.code == .gated)
            let listenersEnd = try #require(self.world.network.connections.last)
            await listenersEnd.ended.wait()
            #expect(listenersEnd.closeCodes == [.gated])
            #expect(b.connections().isEmpty)
        }
    }

    @Test("Beyond the limit of pending arrivals the oldest of those that have shown least makes room, and is told which limit it was")
    func pending() async throws {
        var configuration = HostConfiguration()
        configuration.limits.pendingInbound = 3
        let b = try self.world.host(configuration)
        let dialers = try (0..<4).map { _ in try self.world.host() }
        let address = try await b.listen(on: self.world.address(0))[0]
        let listener = try #require(self.world.network.listener(at: address.withoutPeerID))
        let gate = Signal()
        listener.handshakes.withLock { $0 = gate }
        let events = b.events()
        try await self.world.run(b, dialers[0], dialers[1], dialers[2], dialers[3]) {
            var dials: [Task<PeerConnection, any Error>] = []
            for (number, dialer) in dialers.enumerated() {
                dials.append(Task { try await dialer.connect(to: address) })
                while listener.accepted.withLock({ $0 }) < number + 1 { await Task.yield() }
                self.world.clock.advance(.milliseconds(1))
            }
            let refusal = await self.failure(events)
            #expect(refusal?.code == .resourceLimit)
            #expect(refusal?.cause as? LimitError == LimitError(limit: "pendingInbound", value: 3))
            #expect(b.statistics().pending == 3)
            let error = await #expect(throws: DialError.self) { try await dials[0].value }
            #expect(error?.attempts.map(\.error.code) == [.closed])
            gate.fire()
            for dial in dials[1...] {
                let connection = try await dial.value
                #expect(connection.remotePeer == b.peerID)
            }
        }
    }

    @Test("An arrival that makes room while the gater is undecided ends, and so does the gater's task")
    func displacedAtTheGate() async throws {
        struct Slow: ConnectionGater {
            let asked: Signal
            func mayAccept(from address: Multiaddr) async -> GateAnswer {
                guard !self.asked.isFired else { return true }
                self.asked.fire()
                await Signal().wait()
                return true
            }
        }
        var configuration = HostConfiguration()
        configuration.limits.pendingInbound = 1
        let asked = Signal()
        let (a, b, c) = (try self.world.host(), try self.world.host(configuration, gater: Slow(asked: asked)), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let events = b.events()
        try await self.world.run(a, b, c) {
            async let first = #expect(throws: DialError.self) { try await a.connect(to: address) }
            await asked.wait()
            _ = try await c.connect(to: address)
            #expect(await self.failure(events)?.code == .resourceLimit)
            #expect(await first?.attempts.map(\.error.code) == [.closed])
        }
    }

    @Test("Handshakes that take too long free their place")
    func slowHandshake() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let listener = try #require(self.world.network.listener(at: address.withoutPeerID))
        listener.handshakes.withLock { $0 = Signal() }
        let events = b.events()
        let start = self.world.clock.now
        try await self.world.run(a, b) {
            async let dial = #expect(throws: DialError.self) { try await a.connect(to: address) }
            while listener.accepted.withLock({ $0 }) < 1 { await Task.yield() }
            await self.world.clock.sleeper(until: start + .seconds(10))
            #expect(b.statistics().pending == 1)
            self.world.clock.advance(.seconds(10))
            _ = await dial
            #expect(await self.failure(events)?.code == .timedOut)
            #expect(b.statistics().pending == 0)
        }
    }

    @Test("Connections beyond the limit per peer are closed with the code for that")
    func perPeer() async throws {
        var configuration = HostConfiguration()
        configuration.limits.connectionsPerPeer = 1
        let (a, b) = (try self.world.host(), try self.world.host(configuration))
        let address = try await b.listen(on: self.world.address(0))[0].withoutPeerID
        let events = b.events()
        try await self.world.run(a, b) {
            _ = try await a.connect(toAnyPeerAt: address)
            _ = try await a.connect(toAnyPeerAt: address)
            let refusal = await self.failure(events)
            #expect(refusal?.cause as? LimitError == LimitError(limit: "connectionsPerPeer", value: 1))
            // Either of the two may have been the first to get there.
            let codes = self.world.network.connections.filter { $0.info.role == .listener }.map(\.closeCodes)
            #expect(codes.filter { !$0.isEmpty } == [[.resourceLimitExceeded]])
            #expect(b.connections().count == 1)
        }
    }

    @Test("A connection counts while the gater decides, which has as long as the handshakes")
    func undecidedArrival() async throws {
        var configuration = HostConfiguration()
        configuration.limits.connections = 1
        let (a, b, c) = (try self.world.host(), try self.world.host(configuration, gater: Undecided()), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let events = b.events()
        let start = self.world.clock.now
        try await self.world.run(a, b, c) {
            _ = try await a.connect(to: address)
            while b.statistics().connections == 0 { await Task.yield() }
            #expect(b.connections().isEmpty)
            _ = try? await c.connect(to: address)
            #expect(await self.failure(events)?.cause as? LimitError == LimitError(limit: "connections", value: 1))
            await self.world.clock.sleeper(until: start + .seconds(10))
            self.world.clock.advance(.seconds(10))
            #expect(await self.failure(events)?.code == .timedOut)
            #expect(b.swarm.limits.counts == ConnectionLimits.Counts())
            #expect(self.world.network.connections[1].closeCodes == [.gated])
        }
    }

    @Test("A gater that does not decide ends a dial no later than its deadline")
    func undecidedDial() async throws {
        let (a, b) = (try self.world.host(gater: Undecided()), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            async let failure = #expect(throws: DialError.self) { try await a.connect(to: address, timeout: .seconds(5)) }
            while a.statistics().connections == 0 { await Task.yield() }
            self.world.clock.advance(.seconds(5))
            #expect(await failure?.code == .timedOut)
            while a.statistics().connections > 0 { await Task.yield() }
            #expect(a.connections().isEmpty)
        }
    }

    @Test("Addresses that come and go are told, to subscribers and peers")
    func addressChanges() async throws {
        let host = try self.world.host()
        let events = host.events()
        let first = try await host.listen(on: self.world.address(0))[0]
        let second = self.world.address(77).withPeerID(host.peerID)
        try await self.world.run(host) {
            var iterator = events.makeAsyncIterator()
            guard case .listening(first)? = await iterator.next() else { return #expect(Bool(false)) }
            var changes = host.introductions.introductionChanges.makeAsyncIterator()
            self.world.network.listener(at: first.withoutPeerID)?.newAddresses.yield([second.withoutPeerID])
            guard case .stoppedListening(first)? = await iterator.next() else { return #expect(Bool(false)) }
            guard case .listening(second)? = await iterator.next() else { return #expect(Bool(false)) }
            await changes.next()
            #expect(host.listenAddresses == [second])
        }
        #expect(host.listenAddresses.isEmpty)
    }
}
