import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@Suite("Dials that have to find the peer first", .timeLimit(.minutes(1)))
struct FindingTests {
    /// Finds what a test says.
    private final class FakeFinder: PeerFinding {
        let name: String
        let addresses: [Multiaddr]
        /// After that.
        let ending: @Sendable () async throws(DialError) -> Void
        let asked = Mutex<[PeerID]>([])
        let deadlines = Mutex<[NIODeadline]>([])
        let cancelled = Signal()

        init(_ name: String, finding addresses: [Multiaddr] = [], then ending: @escaping @Sendable () async throws(DialError) -> Void = {})
        {
            self.name = name
            self.addresses = addresses
            self.ending = ending
        }

        func find(
            _ peer: PeerID, deadline: NIODeadline, onAddresses: @escaping @Sendable ([Multiaddr]) -> Void
        ) async throws(DialError) {
            self.asked.withLock { $0.append(peer) }
            self.deadlines.withLock { $0.append(deadline) }
            onAddresses(self.addresses)
            try await self.ending()
            if Task.isCancelled { self.cancelled.fire() }
        }
    }

    private let world = FakeWorld()

    private var deadline: NIODeadline { self.world.clock.now + .seconds(15) }

    @Test("Where nothing is known, finders are asked side by side; what one finds is dialled at once, and the others are cancelled")
    func finds() async throws {
        let b = try self.world.swarm()
        let address = try await b.listen(on: self.world.address(0))[0]
        let silent = FakeFinder("silent") { await Signal().wait() }
        let finder = FakeFinder("finder", finding: [address]) { await Signal().wait() }
        let a = try self.world.swarm(finders: [silent, finder])
        try await self.world.run(a, b) {
            let deadline = self.deadline
            let entry = try await a.dial(b.localPeer, DialRequest(), deadline: deadline)
            #expect(entry.info.remoteAddress == address)
            for asked in [silent, finder] {
                await asked.cancelled.wait()
                #expect(asked.asked.withLock { $0 } == [b.localPeer])
                // Not the dial's: who joins it may wait longer.
                #expect(asked.deadlines.withLock { $0 } == [self.world.clock.now + .seconds(60)])
            }
        }
    }

    @Test("What is known is tried first: finders are asked only when all of it has failed")
    func knownFirst() async throws {
        let b = try self.world.swarm()
        let (live, moved) = (try await b.listen(on: self.world.address(0))[0], self.world.address(1))
        let finder = FakeFinder("finder", finding: [live])
        let a = try self.world.swarm(finders: [finder])
        await a.peerstore.add([live], of: b.localPeer, source: .given, timeToLive: .seconds(600))
        try await self.world.run(a, b) {
            let entry = try await a.dial(b.localPeer, DialRequest(), deadline: self.deadline)
            #expect(finder.asked.withLock { $0 } == [])
            a.retire(entry)
            await a.peerstore.forget(b.localPeer)
            await a.peerstore.add([moved], of: b.localPeer, source: .given, timeToLive: .seconds(600))
            _ = try await a.dial(b.localPeer, DialRequest(), deadline: self.deadline)
            #expect(finder.asked.withLock { $0 } == [b.localPeer])
            #expect(self.world.network.dialled == [live, moved, live])
            await entry.close(.normal, grace: .zero)
        }
    }

    @Test("Who names addresses wants those, and no search")
    func named() async throws {
        let finder = FakeFinder("finder", finding: [self.world.address(2)])
        let a = try self.world.swarm(finders: [finder])
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        try await self.world.run(a) {
            await #expect(throws: DialError(.allAddressesFailed, "")) {
                try await a.dial(peer, DialRequest(addresses: [self.world.address(1)]), deadline: self.deadline)
            }
            #expect(finder.asked.withLock { $0 } == [])
        }
    }

    @Test("What finders found and why they found nothing is told")
    func failures() async throws {
        let failing = FakeFinder("rendezvous") { () throws(DialError) in throw DialError(.timedOut, "the server is asleep") }
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let alone = try self.world.swarm(finders: [failing])
        let both = try self.world.swarm(finders: [failing, FakeFinder("dht", finding: [self.world.address(1)])])
        let without = try self.world.swarm()
        try await self.world.run(alone, both, without) {
            var error = await #expect(throws: DialError.self) { try await alone.dial(peer, DialRequest(), deadline: self.deadline) }
            #expect(error?.code == .noAddresses)
            #expect(error?.message.contains("rendezvous") == true && error?.message.contains("the server is asleep") == true)
            error = await #expect(throws: DialError.self) { try await both.dial(peer, DialRequest(), deadline: self.deadline) }
            #expect(error?.code == .allAddressesFailed)
            #expect(error?.attempts.map(\.address) == [self.world.address(1)])
            #expect(error?.message.contains("the server is asleep") == true)
            error = await #expect(throws: DialError.self) { try await without.dial(peer, DialRequest(), deadline: self.deadline) }
            #expect(error?.code == .noAddresses)
        }
    }

    @Test("A finder that finds too much fills one dial, and no more")
    func flood() async throws {
        let finder = FakeFinder("flood", finding: (1...5_000).map { self.world.address($0) })
        let a = try self.world.swarm(finders: [finder])
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        try await self.world.run(a) {
            let error = await #expect(throws: DialError.self) { try await a.dial(peer, DialRequest(), deadline: self.deadline) }
            #expect(error?.code == .allAddressesFailed)
            #expect(self.world.network.dialled.count == SwarmConfiguration.maximumAddressesPerDial)
        }
    }

    @Test("A finder that never ends holds a dial no longer than its deadline")
    func silence() async throws {
        let finder = FakeFinder("silent") { await Signal().wait() }
        let a = try self.world.swarm(finders: [finder])
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let deadline = self.deadline
        try await self.world.run(a) {
            let dial = Task { try await a.dial(peer, DialRequest(), deadline: deadline) }
            while finder.asked.withLock({ $0.isEmpty }) { await Task.yield() }
            await self.world.clock.sleeper(until: deadline)
            self.world.clock.advance(.seconds(15))
            let error = await #expect(throws: DialError.self) { try await dial.value }
            #expect(error?.code == .timedOut)
            #expect(error?.message.contains("silent: not done") == true)
            await finder.cancelled.wait()
        }
    }

    @Test("A caller who knows nothing joins one who named addresses, and has finders asked when those fail")
    func joins() async throws {
        let b = try self.world.swarm()
        let (live, dead, gate) = (try await b.listen(on: self.world.address(0))[0], self.world.address(1), Signal())
        let a = try self.world.swarm(finders: [FakeFinder("finder", finding: [live])])
        self.world.network.set(.gate(gate, isStubborn: false), at: dead)
        try await self.world.run(a, b) {
            async let first = a.dial(b.localPeer, DialRequest(addresses: [dead]), deadline: self.deadline)
            await self.world.network.dialled(atLeast: 1)
            async let second = a.dial(b.localPeer, DialRequest(), deadline: self.deadline)
            while !a.isAwaited(b.localPeer, by: 2) { await Task.yield() }
            gate.fire()
            let entries = (try await first, try await second)
            #expect(entries.0 === entries.1)
            #expect(self.world.network.dialled == [dead, live])
        }
    }

    // MARK: Resolvers

    private struct FakeResolver: AddressResolver {
        let answer: Result<[Multiaddr], TransportError>

        func resolve(_ address: Multiaddr, deadline: NIODeadline) async throws(TransportError) -> [Multiaddr] { try self.answer.get() }
    }

    @Test("Of several resolvers the first that answers counts, and when none does, each has its say")
    func resolvers() async throws {
        let b = try self.world.swarm()
        let address = try await b.listen(on: self.world.address(0))[0]
        let list = try Multiaddr("/dnsaddr/example.org")
        let unbuilt = FakeResolver(answer: .failure(TransportError(.notBuiltIn, "nothing is built in")))
        let unknown = FakeResolver(answer: .failure(TransportError(.unresolvable, "no such name")))
        let knowing = FakeResolver(answer: .success([address]))
        let a = try self.world.swarm(resolvers: [unbuilt, unknown, knowing])
        let c = try self.world.swarm(resolvers: [unbuilt, unknown])
        try await self.world.run(a, b, c) {
            _ = try await a.dial(b.localPeer, DialRequest(addresses: [list]), deadline: self.deadline)
            let error = await #expect(throws: DialError.self) {
                try await c.dial(b.localPeer, DialRequest(addresses: [list]), deadline: self.deadline)
            }
            #expect(error?.attempts.map(\.error.code) == [.unresolvable])
            for text in ["nothing is built in", "no such name"] { #expect(error?.message.contains(text) == true) }
        }
    }
}
