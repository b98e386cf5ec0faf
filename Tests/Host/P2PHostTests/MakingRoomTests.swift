import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@testable import P2PHost

/// A peer that comes from one network after the other, while nobody has told its old connections that they are dead.
@Suite("The dead make room", .timeLimit(.minutes(1)))
struct MakingRoomTests {
    private let world = FakeWorld()
    private let patience = TimeAmount.seconds(3)

    private func configuration(_ change: (inout ResourceLimits) -> Void) -> HostConfiguration {
        var configuration = HostConfiguration()
        change(&configuration.limits)
        return configuration
    }

    /// A host that has no such limits itself.
    private func mobile(from local: Multiaddr? = nil) throws -> PeerHost {
        try self.world.host(self.configuration { $0.connectionsPerPeer = 100 }, from: local)
    }

    /// One more connection of the host; returns the listener's end.
    private func connect(_ host: PeerHost, to peer: PeerHost, at address: Multiaddr) async throws -> FakeConnection {
        let connection = try await host.connect(to: peer.peerID, DialRequest(addresses: [address], forcesNew: true))
        let ends = self.world.network.connections
        let index = try #require(ends.firstIndex { $0.info.id == connection.id })
        return ends[index + 1]
    }

    private func isListed(_ end: FakeConnection, by host: PeerHost) -> Bool { host.connections().contains { $0.id == end.info.id } }

    /// Waits until the host has listed the connection, or closed it.
    private func isKept(_ end: FakeConnection, by host: PeerHost) async -> Bool {
        while !self.isListed(end, by: host), end.closeCodes.isEmpty { await Task.yield() }
        return end.closeCodes.isEmpty
    }

    /// Waits until the host's connections are these: the dead take a moment to go.
    private func settles(_ host: PeerHost, to ends: [FakeConnection]) async {
        while host.connections().map(\.id) != ends.map(\.info.id) { await Task.yield() }
    }

    /// Lets the time pass in which connections are to answer, once those that can have.
    private func pass(answering: FakeConnection...) async {
        for end in answering { while end.traffic.bytesIn == 0 { await Task.yield() } }
        await self.world.clock.sleeper(until: self.world.clock.now + self.patience)
        self.world.clock.advance(self.patience)
    }

    @Test("A phone that changes networks again and again is let in, and its dead connections go")
    func phone() async throws {
        let (a, b) = (try self.mobile(), try self.world.host())
        try b.serve(ClosureHandler.echo)
        let address = try await b.listen(on: self.world.address(0))[0]
        let perPeer = ResourceLimits().connectionsPerPeer
        try await self.world.run(a, b) {
            for round in 0..<(2 * perPeer + 4) {
                let isFull = b.statistics().connections == perPeer
                let end = try await self.connect(a, to: b, at: address)
                if isFull { await self.pass(answering: end) }
                #expect(await self.isKept(end, by: b), "round \(round)")
                #expect(b.statistics().connections <= perPeer)
                if round < 2 * perPeer + 3 { end.goSilent() }
            }
            while b.connections().count != b.statistics().connections { await Task.yield() }
            #expect(b.connections().count < perPeer)
            let last = try #require(a.connections().last)
            let stream = try await a.openStream(on: last.id, protocols: ["/echo"])
            try await stream.write(text: "still there")
            try await stream.finish()
            #expect(try await stream.readText(upTo: 100) == "still there")
            let pushedOut = self.world.network.connections.filter { $0.info.role == .listener && !$0.closeCodes.isEmpty }
            #expect(pushedOut.count == 2 * perPeer && pushedOut.allSatisfy { $0.closeCodes == [.supplanted] })
        }
    }

    @Test("A live connection is not lost, wherever it stands among dead ones")
    func live() async throws {
        let (a, b) = (try self.mobile(), try self.world.host(self.configuration { $0.connectionsPerPeer = 3 }))
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            var ends: [FakeConnection] = []
            for _ in 0..<3 {
                ends.append(try await self.connect(a, to: b, at: address))
                #expect(await self.isKept(ends[ends.count - 1], by: b))
            }
            for index in [0, 2] { ends[index].goSilent() }
            let new = try await self.connect(a, to: b, at: address)
            await self.pass(answering: new, ends[1])
            #expect(await self.isKept(new, by: b))
            await self.settles(b, to: [ends[1], new])
        }
    }

    @Test("Where all are alive the new one is refused at once, and the next ones without asking again")
    func allLive() async throws {
        let (a, b) = (try self.mobile(), try self.world.host(self.configuration { $0.connectionsPerPeer = 2 }))
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            var ends: [FakeConnection] = []
            for _ in 0..<2 {
                ends.append(try await self.connect(a, to: b, at: address))
                #expect(await self.isKept(ends[ends.count - 1], by: b))
            }
            var asked: [UInt64] = []
            for _ in 0..<10 {
                let refused = try await self.connect(a, to: b, at: address)
                #expect(await self.isKept(refused, by: b) == false)
                #expect(refused.closeCodes == [.resourceLimitExceeded])
                asked.append(ends[0].traffic.bytesIn)
            }
            #expect(asked[0] > 0)
            #expect(Set(asked.dropFirst()).count == 1)
            #expect(b.connections().map(\.id) == ends.map(\.info.id))
        }
    }

    @Test("A peer that does not answer on its new connection either pushes nothing out")
    func neverAnswers() async throws {
        let (a, b) = (try self.mobile(), try self.world.host(self.configuration { $0.connectionsPerPeer = 1 }))
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            let old = try await self.connect(a, to: b, at: address)
            #expect(await self.isKept(old, by: b))
            old.goSilent()
            self.world.network.isMute.withLock { $0 = true }
            let new = try await self.connect(a, to: b, at: address)
            await self.pass()
            #expect(await self.isKept(new, by: b) == false)
            #expect(b.connections().map(\.id) == [old.info.id])
        }
    }

    @Test("Limits of an address and of the host: a peer's own dead connections go, another's stay", arguments: [true, false])
    func shared(isAddress: Bool) async throws {
        let home = Multiaddr("/ip4/10.0.0.9/tcp/999")
        let (a, c) = (try self.mobile(from: home), try self.mobile(from: home))
        let limits = self.configuration { limits in
            if isAddress { limits.connectionsPerAddress = 2 } else { limits.connections = 2 }
        }
        let b = try self.world.host(limits)
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b, c) {
            let neighbours = try await self.connect(c, to: b, at: address)
            #expect(await self.isKept(neighbours, by: b))
            let old = try await self.connect(a, to: b, at: address)
            #expect(await self.isKept(old, by: b))
            for end in [neighbours, old] { end.goSilent() }
            let new = try await self.connect(a, to: b, at: address)
            await self.pass(answering: new)
            #expect(await self.isKept(new, by: b))
            await self.settles(b, to: [neighbours, new])
            // A stranger has nothing there that could make room.
            let stranger = try await self.connect(c, to: b, at: address)
            await self.pass(answering: stranger)
            #expect(await self.isKept(stranger, by: b))
            await self.settles(b, to: [new, stranger])
        }
    }

    @Test("Whoever dials is helped the same way: its own dead connections to the peer do not stand against a new one")
    func dialling() async throws {
        let (a, b) = (try self.world.host(self.configuration { $0.connectionsPerPeer = 1 }), try self.mobile())
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            let old = try await a.connect(to: address)
            let end = try #require(self.world.network.connections.last)
            while !self.isListed(end, by: b) { await Task.yield() }
            end.goSilent()
            async let dial = a.connect(to: b.peerID, DialRequest(addresses: [address], forcesNew: true))
            while self.world.network.connections.count < 4 { await Task.yield() }
            await self.pass(answering: self.world.network.connections[2])
            let new = try await dial
            while a.connections().map(\.id) != [new.id] { await Task.yield() }
            #expect(new.id != old.id)
        }
    }
}
