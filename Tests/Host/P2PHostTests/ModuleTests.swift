import NIOCore
import NIOPosix
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@testable import P2PHost

@Suite("What modules bring", .timeLimit(.minutes(1)))
struct ModuleTests {
    private let world = FakeWorld()

    @Test("Every gater is asked, and one refusal is enough", arguments: [[], [0], [1], [0, 1]])
    func gaters(refusing: [Int]) async throws {
        struct Gater: ConnectionGater {
            let mayPass: Bool
            func mayDial(_ address: Multiaddr, peer: PeerID?) async -> GateAnswer { GateAnswer(self.mayPass) }
        }
        let (a, b) = (
            try self.world.host(gater: Gater(mayPass: !refusing.contains(0))) { $0.gaters = [Gater(mayPass: !refusing.contains(1))] },
            try self.world.host()
        )
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            if refusing.isEmpty {
                _ = try await a.connect(to: address)
            } else {
                let error = await #expect(throws: DialError.self) { _ = try await a.connect(to: address) }
                #expect(error?.attempts.map(\.error.code) == [.gated])
            }
        }
    }

    @Test("Services end before the connections do, and one that throws disturbs nothing")
    func order() async throws {
        struct Oops: Error {}
        let order = Mutex<[String]>([])
        let seen = Signal()
        let service = HostService("last word") { host in
            while host.connections.isEmpty, !Task.isCancelled { await Task.yield() }
            seen.fire()
            await Signal().wait()
            order.withLock { $0.append("service, with \(host.connections.count) connection") }
        }
        let failing = HostService("failing") { _ in throw Oops() }
        let (a, b) = (try self.world.host { $0.services = [failing, service] }, try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let events = a.events()
        try await self.world.run(a, b) {
            _ = try await a.connect(to: address)
            await seen.wait()
        }
        for await event in events {
            if case .disconnected = event { order.withLock { $0.append("disconnected") } }
        }
        #expect(order.withLock { $0 } == ["service, with 1 connection", "disconnected"])
    }

    @Test("Two modules that serve the same protocol make no host, and the error names it")
    func taken() async throws {
        let identity = try PrivateKey.generate(.ed25519)
        let error = await #expect(throws: HostError.self) {
            _ = try await PeerHost.make(
                identity: identity, modules: [ClosureHandler.echo, ClosureHandler.echo], group: MultiThreadedEventLoopGroup.singleton)
        }
        #expect(error?.code == .protocolTaken)
        #expect(error?.message.contains("/echo") == true)
    }

    @Test("A module sees who the host is going to be, and hands on what others stand on")
    func plan() async throws {
        struct Mast: Sendable, Equatable { let height: Int }
        struct Raises: HostModule {
            func join(_ plan: inout HostPlan) { plan[Mast.self] = Mast(height: 12) }
        }
        final class Sees: HostModule {
            let seen = Mutex<(peer: PeerID, mast: Mast?, surroundings: HostSurroundings)?>(nil)
            func join(_ plan: inout HostPlan) {
                self.seen.withLock { [peer = plan.peerID, mast = plan[Mast.self], surroundings = plan.surroundings] in
                    $0 = (peer, mast, surroundings)
                }
            }
        }
        let sees = Sees()
        let surroundings = HostSurroundings(isProxied: true, privateNetwork: "abcd")
        let host = try await PeerHost.make(
            identity: try PrivateKey.generate(.ed25519), modules: [Raises(), sees], surroundings: surroundings,
            group: MultiThreadedEventLoopGroup.singleton)
        let seen = try #require(sees.seen.withLock { $0 })
        #expect(seen.peer == host.peerID && seen.mast == Mast(height: 12) && seen.surroundings == surroundings)
    }
}
