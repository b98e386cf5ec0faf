import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PHost

@Suite("Introductions", .timeLimit(.minutes(1)))
struct IntroductionTests {
    private let world = World()

    @Test("A host says where it listens, what it serves and how it sees the peer, signed once for each change")
    func introduces() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        try b.register(ClosureHandler.echo)
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            _ = try await a.dial(address)
            while b.connections().isEmpty { await Task.yield() }
            let connection = b.connections()[0]
            let introduction = await b.introduction(to: connection)
            #expect(introduction.publicKey == b.identity.publicKey)
            #expect(introduction.listenAddresses == [address.withoutPeerID])
            #expect(introduction.protocols == ["/echo"])
            #expect(introduction.observedAddress == connection.remoteAddress)
            #expect(introduction.agentVersion == "swift-p2p/0.1.0")
            let envelope = try #require(introduction.signedRecord)
            let record = try PeerRecord.open(envelope, from: b.peerID)
            #expect(record.addresses == [address.withoutPeerID.bytes])
            #expect(await b.introduction(to: connection).signedRecord == envelope)
            _ = try await b.listen(on: self.world.address(0))
            let next = try PeerRecord.open(try #require(await b.introduction(to: connection).signedRecord))
            #expect(next.addresses.count == 2)
            #expect(next.sequence > record.sequence)
        }
    }

    @Test("What a peer says is remembered, and told to subscribers")
    func introduced() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let events = a.events()
        try await self.world.run(a, b) {
            let connection = try await a.dial(address)
            let told = self.world.address(4_001)
            await a.introduced(Introduction(listenAddresses: [told], protocols: ["/echo"], agentVersion: "test/1"), on: connection)
            #expect(await a.peerstore.addresses(of: b.peerID) == [address.withoutPeerID, told])
            #expect(await a.peerstore.introduction(of: b.peerID)?.agentVersion == "test/1")
            for await event in events {
                guard case .identified(let info, let introduction) = event else { continue }
                #expect(info.id == connection.id)
                #expect(introduction.protocols == ["/echo"])
                break
            }
        }
    }

    @Test("An observed address is announced once enough peers at different addresses have seen it")
    func observed() throws {
        var observed = ObservedAddresses(observersNeeded: 3)
        let address = try Multiaddr("/ip4/5.6.7.8/tcp/4001")
        #expect(!observed.observe(address, by: try Multiaddr("/ip4/1.1.1.1/tcp/1")))
        #expect(!observed.observe(address, by: try Multiaddr("/ip4/1.1.1.1/tcp/2")))
        #expect(!observed.observe(address, by: try Multiaddr("/ip4/1.1.1.2/tcp/1")))
        #expect(observed.confirmed.isEmpty)
        #expect(observed.observe(address, by: try Multiaddr("/ip4/1.1.1.3/tcp/1")))
        #expect(!observed.observe(address, by: try Multiaddr("/ip4/1.1.1.4/tcp/1")))
        #expect(observed.confirmed == [address])
        #expect(!observed.observe(try Multiaddr("/ip4/127.0.0.1/tcp/1"), by: try Multiaddr("/ip4/1.1.1.1/tcp/1")))
        #expect(observed.count == 1)
    }

    @Test("The tally of observed addresses is bounded, and keeps what is confirmed")
    func bounded() throws {
        var observed = ObservedAddresses(observersNeeded: 2)
        let address = try Multiaddr("/ip4/5.6.7.8/tcp/4001")
        for host in 1...2 { _ = observed.observe(address, by: try Multiaddr("/ip4/1.1.1.\(host)/tcp/1")) }
        for port in 1...1_000 { _ = observed.observe(try Multiaddr("/ip4/5.6.7.8/tcp/\(port)"), by: try Multiaddr("/ip4/1.1.1.1/tcp/1")) }
        #expect(observed.count == ObservedAddresses.limit)
        #expect(observed.confirmed == [address])
    }
}
