import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PHost

@Suite("Introductions", .timeLimit(.minutes(1)))
struct IntroductionTests {
    private let world = FakeWorld()

    @Test("A host says where it listens, what it serves and how it sees the peer, signed once for each change")
    func introduces() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        try b.serve(ClosureHandler.echo)
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            _ = try await a.connect(to: address)
            while b.connections().isEmpty { await Task.yield() }
            let connection = b.connections()[0]
            let introduction = await b.introductions.introduction(to: connection.info)
            #expect(introduction.publicKey.map { PeerID($0) } == b.peerID)
            #expect(introduction.listenAddresses == [address.withoutPeerID])
            #expect(introduction.protocols == ["/echo"])
            #expect(introduction.observedAddress == connection.remoteAddress)
            #expect(introduction.agentVersion == "swift-p2p/0.1.0")
            let envelope = try #require(introduction.signedRecord)
            let record = try PeerRecord.open(envelope, from: b.peerID)
            #expect(record.addresses == [address.withoutPeerID.bytes])
            #expect(await b.introductions.introduction(to: connection.info).signedRecord == envelope)
            _ = try await b.listen(on: self.world.address(0))
            let next = try PeerRecord.open(try #require(await b.introductions.introduction(to: connection.info).signedRecord))
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
            let connection = try await a.connect(to: address)
            let told = self.world.address(4_001)
            await a.introductions.introduced(
                Introduction(listenAddresses: [told], protocols: ["/echo"], agentVersion: "test/1"), on: connection.info)
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
}
