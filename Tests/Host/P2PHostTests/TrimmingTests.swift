import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Testing

@testable import P2PHost

/// A host with more connections than it wants, in time that passes only when a test says so.
@Suite("Connections that are worth their place", .timeLimit(.minutes(1)))
struct TrimmingTests {
    private let world = FakeWorld()

    private func server(_ change: (inout ResourceLimits) -> Void, known: KnownNetworks = KnownNetworks()) throws -> PeerHost {
        var configuration = HostConfiguration()
        change(&configuration.limits)
        configuration.networks = known
        return try self.world.host(configuration)
    }

    /// A stranger from a network of its own.
    private func stranger(_ number: Int) throws -> PeerHost {
        try self.world.host(from: Multiaddr("/ip4/192.0.\(number).1/tcp/999"))
    }

    /// One more connection; returns the listener's end.
    private func connect(_ host: PeerHost, to server: PeerHost) async throws -> FakeConnection {
        let request = DialRequest(addresses: server.listenAddresses, forcesNew: true)
        let connection = try await host.connect(to: server.peerID, request)
        let ends = self.world.network.connections
        let index = try #require(ends.firstIndex { $0.info.id == connection.id })
        return ends[index + 1]
    }

    /// Waits until the server has listed the connection, or closed it.
    private func isKept(_ end: FakeConnection, by server: PeerHost) async -> Bool {
        while !server.connections().contains(where: { $0.id == end.info.id }), end.closeCodes.isEmpty { await Task.yield() }
        return end.closeCodes.isEmpty
    }

    private func kept(_ host: PeerHost, by server: PeerHost) async throws -> FakeConnection {
        let end = try await self.connect(host, to: server)
        #expect(await self.isKept(end, by: server))
        return end
    }

    /// Waits until the server's connections are these: those that make room take a moment to go.
    private func settles(_ server: PeerHost, to ends: [FakeConnection]) async {
        while server.connections().map(\.id) != ends.map(\.info.id) { await Task.yield() }
    }

    /// Waits until the server has closed the connection.
    private func closes(_ end: FakeConnection) async -> [ConnectionErrorCode] {
        while end.closeCodes.isEmpty { await Task.yield() }
        return end.closeCodes
    }

    @Test("A host whose places are all taken by idle connections lets a new peer in at once, and a redundant one goes")
    func room() async throws {
        let server = try self.server { ($0.connections, $0.connectionsPerPeer) = (6, 3) }
        let hosts = try (0..<3).map(self.stranger)
        let late = try self.stranger(9)
        _ = try await server.listen(on: self.world.address(0))
        try await self.world.run(server, hosts[0], hosts[1], hosts[2], late) {
            var ends: [FakeConnection] = []
            for host in hosts { for _ in 0..<2 { ends.append(try await self.kept(host, by: server)) } }
            // Those that have just come stay.
            #expect(await self.isKept(try await self.connect(late, to: server), by: server) == false)
            self.world.clock.advance(.seconds(6))
            let end = try await self.kept(late, by: server)
            #expect(server.statistics().connections <= 6)
            while ends.allSatisfy(\.closeCodes.isEmpty) { await Task.yield() }
            let gone = ends.filter { !$0.closeCodes.isEmpty }
            #expect(gone.count == 1 && gone.allSatisfy { $0.closeCodes == [.garbageCollected] })
            await self.settles(server, to: (ends + [end]).filter { $0.closeCodes.isEmpty })
            #expect(Set(server.connections().map(\.remotePeer)).count == 4, "nobody lost the last connection")
            #expect(server.limits().first { $0.name == "connectionsHigh" }?.refusals == 1)
        }
    }

    @Test("Who is tagged, protected, allowed or busy stays; one that comes and is worth less is refused")
    func value() async throws {
        let hosts = try (0..<5).map(self.stranger)
        let late = try self.stranger(9)
        let server = try self.server({ $0.connections = 4 }, known: KnownNetworks(allowedPeers: [hosts[4].peerID]))
        try server.serve(ClosureHandler.echo)
        _ = try await server.listen(on: self.world.address(0))
        try await self.world.run(server, hosts[0], hosts[1], hosts[2], hosts[3], hosts[4], late) {
            var ends: [FakeConnection] = []
            for host in hosts { ends.append(try await self.kept(host, by: server)) }
            server.protect(hosts[0].peerID, for: "test")
            server.tag(hosts[1].peerID, "friend", value: 70)
            let stream = try await hosts[2].openStream(to: server.peerID, protocols: ["/echo"])
            try await stream.write(text: "hello")
            _ = try await stream.read()
            self.world.clock.advance(.seconds(10))
            #expect(server.value(of: ends[0].info.id)?.hold == .protected(for: ["test"]))
            #expect(server.value(of: ends[1].info.id)?.description == "60 (tag:friend +70, idle -10)")
            #expect(server.value(of: ends[2].info.id)?.hold == .busy)
            #expect(server.value(of: ends[3].info.id)?.hold == nil)
            #expect(server.value(of: ends[4].info.id)?.hold == .allowed)
            #expect(server.values().map(\.connection.id) == ends.map(\.info.id))
            let new = try await self.kept(late, by: server)
            #expect(await self.closes(ends[3]) == [.garbageCollected])
            await self.settles(server, to: [ends[0], ends[1], ends[2], ends[4], new])
            // Whoever had to go may come back, and finds nobody who is worth less than it.
            self.world.clock.advance(.seconds(1))
            let refused = try await self.connect(hosts[3], to: server)
            #expect(await self.isKept(refused, by: server) == false)
            #expect(refused.closeCodes == [.resourceLimitExceeded])
            server.untag(hosts[1].peerID, "friend")
            self.world.clock.advance(.seconds(1))
            let back = try await self.kept(hosts[3], by: server)
            #expect(await self.closes(ends[1]) == [.garbageCollected])
            await self.settles(server, to: [ends[0], ends[2], ends[4], new, back])
            stream.reset()
            #expect(!server.unprotect(hosts[0].peerID, for: "test"))
        }
    }

    @Test("Above the high watermark the least valuable go, down to the low one, once they are older than the grace")
    func watermarks() async throws {
        let server = try self.server {
            ($0.connections, $0.connectionsHigh, $0.connectionsLow, $0.connectionGrace) = (10, 3, 2, .seconds(20))
        }
        let hosts = try (0..<5).map(self.stranger)
        _ = try await server.listen(on: self.world.address(0))
        let start = self.world.clock.now
        try await self.world.run(server, hosts[0], hosts[1], hosts[2], hosts[3], hosts[4]) {
            var ends: [FakeConnection] = []
            for host in hosts { ends.append(try await self.kept(host, by: server)) }
            server.tag(hosts[1].peerID, "friend", value: 5)
            try server.keepConnected(hosts[3].peerID)
            #expect(server.value(of: ends[3].info.id)?.hold == .protected(for: ["keepConnected"]))
            for second in stride(from: 5, through: 20, by: 5) {
                await self.world.clock.sleeper(until: start + .seconds(Int64(second)))
                #expect(server.statistics().connections == 5, "after \(second - 5) seconds")
                self.world.clock.advance(.seconds(5))
            }
            await self.world.clock.sleeper(until: start + .seconds(25))
            self.world.clock.advance(.seconds(5))
            await self.settles(server, to: [ends[1], ends[3]])
            #expect(ends[0].closeCodes == [.garbageCollected])
            server.stopKeepingConnected(hosts[3].peerID)
            #expect(server.value(of: ends[3].info.id)?.hold == nil && server.value(of: ends[0].info.id) == nil)
        }
    }

    @Test("What a connection is worth can be asked, and said, by whoever holds the host as a module does")
    func access() async throws {
        let (server, host) = (try self.server { _ in }, try self.stranger(1))
        _ = try await server.listen(on: self.world.address(0))
        try await self.world.run(server, host) {
            let end = try await self.kept(host, by: server)
            let connection = try #require(server.connections().first)
            let access = connection.host
            access.tag(host.peerID, "served", adding: 80, halfLife: .seconds(10))
            access.protect(host.peerID, for: "module")
            self.world.clock.advance(.seconds(10))
            #expect(access.value(of: end.info.id)?.description == "30 (tag:served +40, idle -10), protected (module)")
            access.untag(host.peerID, "served")
            #expect(!access.unprotect(host.peerID, for: "module"))
            #expect(access.value(of: end.info.id)?.reasons.map(\.name) == ["idle"])
        }
    }
}
