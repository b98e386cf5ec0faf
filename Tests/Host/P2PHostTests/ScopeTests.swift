import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Testing

@testable import P2PHost

@Suite("A host for the length of a body", .timeLimit(.minutes(1)))
struct ScopeTests {
    private let world = FakeWorld()

    private func isEmpty(_ host: PeerHost) -> Bool {
        let held = host.statistics()
        return held.connections == 0 && held.tasks == 0 && held.dials == 0 && held.pending == 0
            && host.swarm.limits.counts == ConnectionLimits.Counts()
    }

    @Test("In the body dialing works; after it nothing is left, and its result is returned")
    func result() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        try b.serve("/shout") { stream, _ in
            try await stream.write(text: try await stream.readText(upTo: 100).uppercased())
        }
        let address = try await b.listen(on: self.world.address(0))[0]
        let text = try await self.world.clock.passing {
            try await b.running { _ in
                try await a.running { host in
                    let stream = try await host.connect(to: address).openStream("/shout")
                    try await stream.write(text: "hello")
                    try await stream.finish()
                    return try await stream.readText(upTo: 100)
                }
            }
        }
        #expect(text == "HELLO")
        #expect(self.isEmpty(a) && self.isEmpty(b))
    }

    @Test("A body that throws ends the host at once, and its error is thrown")
    func failure() async throws {
        struct Oops: Error {}
        let host = try self.world.host()
        await #expect(throws: Oops.self) { try await host.running { _ in throw Oops() } }
        #expect(self.isEmpty(host))
        let other = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        await #expect(throws: DialError(.notRunning, "")) { try await host.connect(to: other, at: [self.world.address(1)]) }
    }

    @Test("A host runs once: the body of a second time never does")
    func twice() async throws {
        let host = try self.world.host()
        try await self.world.clock.passing { try await host.running { _ in } }
        await #expect(throws: HostError(.alreadyRun, "")) { try await host.running { _ in Issue.record("it ran") } }
    }

    @Test("A connection has verbs: a handler opens a stream back, and closes")
    func verbs() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        try a.serve("/name") { stream, _ in try await stream.write(text: "a") }
        try b.serve("/greet") { stream, connection in
            let name = try await connection.openStream("/name").readText(upTo: 10)
            try await stream.write(text: "hello \(name)")
        }
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            let connection = try await a.connect(to: address)
            #expect(connection.remotePeer == b.peerID && connection.role == .dialer)
            #expect(try await connection.openStream("/greet").readText(upTo: 100) == "hello a")
            await connection.close()
            #expect(a.connections().isEmpty)
            await #expect(throws: StreamError(.connectionLost, "")) { try await connection.openStream("/greet") }
        }
    }

    @Test("A connection keeps no host alive, and says so when it is gone")
    func lettingGo() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        weak var gone: PeerHost?
        var kept: PeerConnection?
        try await self.world.clock.passing {
            try await b.running { _ in
                let host = try self.world.host()
                gone = host
                kept = try await host.running { host in try await host.connect(to: address) }
            }
        }
        _ = a
        #expect(gone == nil)
        let connection = try #require(kept)
        await #expect(throws: StreamError(.connectionLost, "")) { try await connection.openStream("/greet") }
        await #expect(throws: DialError(.notRunning, "")) { try await connection.host.connect(to: b.peerID, DialRequest()) }
        #expect(connection.host.connections.isEmpty && connection.host.announcedAddresses.isEmpty)
        for await _ in connection.host.events() { Issue.record("an event of a host that is gone") }
    }
}
