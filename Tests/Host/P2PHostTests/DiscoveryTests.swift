import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@testable import P2PHost

@Suite("Discovery and staying connected", .timeLimit(.minutes(1)))
struct DiscoveryTests {
    private let world = FakeWorld()

    /// Waits for an event while time passes.
    private func wait(_ events: HostEvents, for isMeant: @escaping @Sendable (HostEvent) -> Bool) async {
        await self.world.clock.passing {
            for await event in events where isMeant(event) { return }
        }
    }

    /// Lets time pass until whoever means to dial has done so: a peer who is not there is dialled again and again.
    ///
    /// - Returns: what else was dialled meanwhile.
    private func dialled(besideThoseOf host: PeerHost) async throws -> [Multiaddr] {
        let (nobody, nowhere) = (PeerID(try PrivateKey.generate(.ed25519).publicKey), self.world.address(9))
        self.world.network.set(.refuse(TransportError(.unreachable, "nobody is there")), at: nowhere)
        let before = self.world.network.dialled.count
        try host.keepConnected(nobody, at: [nowhere])
        await self.world.clock.passing { await self.world.network.dialled(atLeast: before + 6) }
        host.stopKeepingConnected(nobody)
        return self.world.network.dialled.dropFirst(before).filter { $0 != nowhere }
    }

    @Test("A discovered peer is announced to the application, remembered and dialled")
    func discovered() async throws {
        let b = try self.world.host()
        let address = try await b.listen(on: self.world.address(0))[0]
        let source = FakeDiscovery(finding: [DiscoveredPeer(peer: b.peerID, addresses: [address.withoutPeerID], timeToLive: .seconds(60))])
        let a = try self.world.host { $0.discovery = [source] }
        let (found, connected) = (a.events(), a.events())
        try await self.world.run(a, b) {
            await self.wait(found) { if case .discovered(let found) = $0 { found.peer == b.peerID } else { false } }
            await self.wait(connected) { if case .connected(let info) = $0 { info.remotePeer == b.peerID } else { false } }
            #expect(await a.peerstore.addresses(of: b.peerID).contains(address.withoutPeerID))
            #expect(!a.isKeptConnected(b.peerID))
        }
        #expect(source.runs.load(ordering: .relaxed) == 1)
    }

    @Test("Unless it is told not to dial")
    func notDialled() async throws {
        let b = try self.world.host()
        let address = try await b.listen(on: self.world.address(0))[0]
        let source = FakeDiscovery(finding: [DiscoveredPeer(peer: b.peerID, addresses: [address.withoutPeerID], timeToLive: .seconds(60))])
        let a = try self.world.host(HostConfiguration(dialsDiscovered: false)) { $0.discovery = [source] }
        let found = a.events()
        try await self.world.run(a, b) {
            await self.wait(found) { if case .discovered = $0 { true } else { false } }
            let dialled = try await self.dialled(besideThoseOf: a)
            #expect(dialled == [])
            #expect(a.connections().isEmpty)
        }
    }

    @Test("Peers that wait to be dialled count for the host's memory, until the host ends")
    func waiting() async throws {
        let a = try self.world.host()
        let before = a.swarm.memory.use
        try await self.world.run(a) {
            let peers = try (0..<40).map { _ in PeerID(try PrivateKey.generate(.ed25519).publicKey) }
            for peer in peers { a.keeper.found(peer, until: .distantFuture, yields: true, now: self.world.clock.clock.now()) }
            while a.swarm.memory.use - before < 40 * RedialSchedule.entrySize { await Task.yield() }
            #expect(a.swarm.memory.use - before == 40 * RedialSchedule.entrySize)
        }
        #expect(a.swarm.memory.use == before)
    }

    @Test("A host that is told of itself does not dial itself")
    func itself() async throws {
        let a = try self.world.host()
        try await self.world.run(a) {
            await a.discovered(DiscoveredPeer(peer: a.peerID, addresses: [self.world.address(1)], timeToLive: .seconds(60)))
            #expect(await a.peerstore.peers() == [])
        }
    }

    @Test("A kept peer is connected, and again after each loss")
    func kept() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        try a.keepConnected(b.peerID, at: [address])
        let events = a.events()
        try await self.world.run(a, b) {
            for _ in 0..<3 {
                await self.wait(events) { if case .connected = $0 { true } else { false } }
                await a.disconnect(b.peerID)
            }
            await self.wait(events) { if case .connected = $0 { true } else { false } }
            a.stopKeepingConnected(b.peerID)
            await a.disconnect(b.peerID)
            await self.wait(events) { if case .disconnected = $0 { true } else { false } }
            let dialled = try await self.dialled(besideThoseOf: a)
            #expect(dialled == [])
        }
    }

    /// Counts what a host says as loud as a tool shows it.
    private final class Warnings: Sendable {
        let told = Mutex<[String]>([])
        var logger: Logger { Logger(label: "test") { _ in Handler(warnings: self) } }

        private struct Handler: LogHandler {
            let warnings: Warnings
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.notice

            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { self.metadata[key] }
                set { self.metadata[key] = newValue }
            }

            func log(event: LogEvent) { self.warnings.told.withLock { $0.append(event.message.description) } }
        }
    }

    @Test(
        "That a kept peer is not reached is said once in ten minutes, however often it is dialled, or there for a moment; and not at the end"
    )
    func missed() async throws {
        let warnings = Warnings()
        let a = try self.world.host(logger: warnings.logger)
        let nobody = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let address = Multiaddr(ip: .loopbackV4, tcp: 4_242)
        self.world.network.set(.refuse(TransportError(.unreachable, "nobody is there")), at: address)
        try a.keepConnected(nobody, at: [address])
        try await self.world.run(a) {
            await self.world.clock.passing { await self.world.network.dialled(atLeast: 5) }
            #expect(warnings.told.withLock { $0 }.count == 1, "\(warnings.told.withLock { $0 })")
            await self.world.clock.passing(.minutes(2)) {
                while warnings.told.withLock({ $0.count }) < 2 { try? await Task.sleep(for: .milliseconds(5)) }
            }
        }
        #expect(warnings.told.withLock { $0 }.allSatisfy { $0.hasPrefix("a peer that is to stay connected was not reached") })
    }

    @Test("A kept peer that is not there yet is found when it comes")
    func late() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = Multiaddr(ip: .loopbackV4, tcp: 4_242)
        self.world.network.set(.refuse(TransportError(.unreachable, "nobody is there")), at: address)
        try a.keepConnected(b.peerID, at: [address])
        let events = a.events()
        try await self.world.run(a, b) {
            await self.world.clock.passing { await self.world.network.dialled(atLeast: 4) }
            _ = try await b.listen(on: address)
            self.world.network.clear(address)
            await self.wait(events) { if case .connected = $0 { true } else { false } }
        }
    }

    @Test("Suspended, a host closes its connections and its discovery; resumed, it has both again")
    func suspension() async throws {
        let other = try self.world.host()
        let source = FakeDiscovery(finding: [])
        let (a, b) = (try self.world.host { $0.discovery = [source] }, try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        try a.keepConnected(b.peerID, at: [address])
        let events = a.events()
        try await self.world.run(a, b, other) {
            await self.wait(events) { if case .connected = $0 { true } else { false } }
            await a.suspend()
            #expect(a.connections().isEmpty)
            let dialled = try await self.dialled(besideThoseOf: other)
            #expect(dialled == [])
            #expect(source.runs.load(ordering: .relaxed) == 1)
            a.resume()
            await self.wait(events) { if case .connected = $0 { true } else { false } }
        }
        #expect(source.runs.load(ordering: .relaxed) == 2)
    }
}

/// Finds what it was told to find.
private final class FakeDiscovery: Discovery {
    let found: [DiscoveredPeer]
    let runs = Atomic(0)

    init(finding found: [DiscoveredPeer]) { self.found = found }

    func run(on host: any HostAccess) async throws {
        self.runs.wrappingAdd(1, ordering: .relaxed)
        for peer in self.found { await host.discovered(peer) }
        await Signal().wait()
    }
}
