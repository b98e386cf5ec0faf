import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@testable import P2PHost

@Suite("Dialing lists of addresses", .timeLimit(.minutes(1)))
struct ResolvingTests {
    /// Knows what a test says.
    private final class FakeResolver: AddressResolver {
        let lists = Mutex<[Multiaddr: Result<[Multiaddr], TransportError>]>([:])
        let asked = Mutex<[Multiaddr]>([])
        /// Whoever asks waits for it.
        let gate = Mutex<Signal?>(nil)

        func resolve(_ address: Multiaddr, deadline: NIODeadline) async throws(TransportError) -> [Multiaddr] {
            self.asked.withLock { $0.append(address) }
            await self.gate.withLock { $0 }?.wait()
            return try self.lists.withLock { $0[address] ?? .failure(TransportError(.unresolvable, "no such list")) }.get()
        }
    }

    private let world = FakeWorld()
    private let resolver = FakeResolver()

    private func list(_ name: String) throws -> Multiaddr { try Multiaddr("/dnsaddr/\(name)") }
    private func set(_ addresses: [Multiaddr], as list: Multiaddr) { self.resolver.lists.withLock { $0[list] = .success(addresses) } }

    @Test("What a list has is dialled; the peer that is expected is asked for, whether or not the list's address names it")
    func lists() async throws {
        let (a, b) = (try self.world.host(resolver: self.resolver), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let named = try self.list("example.org").withPeerID(b.peerID)
        self.set([self.world.address(9).withPeerID(b.peerID), address], as: named)
        try await self.world.run(a, b) {
            let list = try self.list("example.org")
            #expect(try await a.connect(to: b.peerID, at: [list]).remotePeer == b.peerID)
            #expect(self.resolver.asked.withLock { $0 } == [named])
            #expect(self.world.network.dialled.contains(address.withoutPeerID))
            #expect(await a.peerstore.addresses(of: b.peerID) == [address.withoutPeerID])
            await a.disconnect(b.peerID)
            #expect(try await a.connect(to: named).remotePeer == b.peerID)
            await a.disconnect(b.peerID)
            self.set([address.withoutPeerID], as: list)
            #expect(try await a.connect(toAnyPeerAt: list).remotePeer == b.peerID)
        }
    }

    @Test("Other addresses do not wait for a list")
    func others() async throws {
        let (a, b) = (try self.world.host(resolver: self.resolver), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        self.resolver.gate.withLock { $0 = Signal() }
        try await self.world.run(a, b) {
            let slow = try self.list("slow.example")
            #expect(try await a.connect(to: b.peerID, at: [slow, address]).remoteAddress == address.withoutPeerID)
        }
    }

    @Test("A failed look-up is one of the reasons; so is every address that a list had")
    func reasons() async throws {
        let host = try self.world.host(resolver: self.resolver)
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let other = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let (missing, found) = (try self.list("missing").withPeerID(peer), try self.list("found").withPeerID(peer))
        let nested = try self.list("nested").withPeerID(peer)
        let foreign = Multiaddr("/memory/elsewhere")
        self.set([self.world.address(1), self.world.address(2).withPeerID(other), foreign, nested], as: found)
        try await self.world.run(host) {
            let error = await #expect(throws: DialError.self) { try await host.connect(to: peer, at: [missing, found]) }
            let codes = Dictionary(uniqueKeysWithValues: error?.attempts.map { ($0.address, $0.error.code) } ?? [])
            #expect(
                codes == [
                    missing: .unresolvable, self.world.address(1): .unreachable,
                    self.world.address(2).withPeerID(other): .peerMismatch, foreign: .unsupportedAddress,
                ])
            #expect(Set(self.resolver.asked.withLock { $0 }) == [missing, found])
        }
    }

    @Test("Without a resolver the reason says so; a list of another peer is not looked up")
    func refused() async throws {
        let (without, with) = (try self.world.host(), try self.world.host(resolver: self.resolver))
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let list = try self.list("example.org").withPeerID(peer)
        try await self.world.run(without, with) {
            var error = await #expect(throws: DialError.self) { try await without.connect(to: list) }
            #expect(error?.attempts.map(\.error.code) == [.unsupportedAddress])
            #expect(error?.message.contains("/dnsaddr") == true)
            let other = PeerID(try PrivateKey.generate(.ed25519).publicKey)
            error = await #expect(throws: DialError.self) { try await with.connect(to: other, at: [list]) }
            #expect(error?.attempts.map(\.error.code) == [.peerMismatch])
            #expect(self.resolver.asked.withLock { $0 } == [])
        }
    }

    @Test("A list that could not be looked up is left alone for a while, unless the caller names it; one that could is not")
    func backOff() async throws {
        let (a, b) = (try self.world.host(resolver: self.resolver), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let list = try self.list("example.org")
        let named = list.withPeerID(b.peerID)
        try await self.world.run(a, b) {
            await a.peerstore.add([list], of: b.peerID, source: .given, timeToLive: .seconds(3_600))
            var error = await #expect(throws: DialError.self) { try await a.connect(to: b.peerID) }
            #expect(error?.attempts.map(\.error.code) == [.unresolvable])
            error = await #expect(throws: DialError.self) { try await a.connect(to: b.peerID) }
            #expect(error?.attempts.map(\.error.code) == [.unreachable])
            #expect(error?.attempts.map(\.address) == [list])
            #expect(self.resolver.asked.withLock { $0 } == [named])
            error = await #expect(throws: DialError.self) { try await a.connect(to: b.peerID, at: [list]) }
            #expect(error?.attempts.map(\.error.code) == [.unresolvable])
            self.set([address], as: named)
            _ = try await a.connect(to: b.peerID, at: [list])
            await a.disconnect(b.peerID)
            await a.peerstore.forget(b.peerID)
            await a.peerstore.add([list], of: b.peerID, source: .given, timeToLive: .seconds(60))
            _ = try await a.connect(to: b.peerID)
            #expect(self.resolver.asked.withLock { $0 } == [named, named, named, named])
        }
    }

    @Test("The gater is asked before a name is asked for, and then about what the list has")
    func gater() async throws {
        final class NameGater: ConnectionGater {
            let asked = Mutex<[Multiaddr]>([])
            let refuses: Multiaddr

            init(refusing address: Multiaddr) { self.refuses = address }

            func mayDial(_ address: Multiaddr, peer: PeerID?) async -> GateAnswer {
                self.asked.withLock { $0.append(address) }
                return GateAnswer(address != self.refuses)
            }
        }
        let gater = NameGater(refusing: try self.list("refused"))
        let (a, b) = (try self.world.host(gater: gater, resolver: self.resolver), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let (refused, allowed) = (try self.list("refused"), try self.list("allowed"))
        for list in [refused, allowed] { self.set([address], as: list.withPeerID(b.peerID)) }
        try await self.world.run(a, b) {
            let error = await #expect(throws: DialError.self) { try await a.connect(to: b.peerID, at: [refused]) }
            #expect(error?.attempts.map(\.error.code) == [.gated])
            #expect(self.resolver.asked.withLock { $0 } == [])
            _ = try await a.connect(to: b.peerID, at: [allowed])
            #expect(gater.asked.withLock { $0 } == [refused, allowed, address.withoutPeerID])
            // What the gater refused has not failed.
            await a.disconnect(b.peerID)
            await a.peerstore.forget(b.peerID)
            await a.peerstore.add([refused], of: b.peerID, source: .given, timeToLive: .seconds(60))
            let again = await #expect(throws: DialError.self) { try await a.connect(to: b.peerID) }
            #expect(again?.attempts.map(\.error.code) == [.gated])
        }
    }

    @Test("Lists beyond the limit of a dial are left out by name")
    func limit() async throws {
        let host = try self.world.host(resolver: self.resolver)
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let lists = try (0..<20).map { try self.list("\($0).example") }
        try await self.world.run(host) {
            let error = await #expect(throws: DialError.self) { try await host.connect(to: peer, at: lists) }
            #expect(error?.attempts.count { $0.error.code == .unresolvable } == SwarmConfiguration.maximumListsPerDial)
            let left = error?.attempts.filter { $0.error.code == .resourceLimit } ?? []
            #expect(left.count == 20 - SwarmConfiguration.maximumListsPerDial)
            #expect(left.allSatisfy { "\($0)".contains("maximumListsPerDial") })
        }
    }

    @Test("A resolver that never answers holds a dial no longer than its deadline")
    func silence() async throws {
        let host = try self.world.host(resolver: self.resolver)
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let list = try self.list("silent")
        self.resolver.gate.withLock { $0 = Signal() }
        try await self.world.run(host) {
            await self.world.clock.passing {
                let error = await #expect(throws: DialError.self) { try await host.connect(to: peer, at: [list], timeout: .seconds(5)) }
                #expect(error?.code == .timedOut || error?.attempts.first?.error.code == .timedOut)
            }
        }
    }
}
