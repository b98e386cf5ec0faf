import P2P
import Testing

@Suite("What the article about finding others shows", .timeLimit(.minutes(1)))
struct FindingExampleTests {
    private static func running(
        _ modules: [any HostModule], _ body: @escaping @Sendable (PeerHost, Multiaddr) async throws -> Void
    ) async throws {
        let host = try await PeerHost.standard(modules: modules)
        try await host.running { host in
            let address = try #require(try await host.listen(on: "/ip4/127.0.0.1/tcp/0").first)
            try await body(host, address)
        }
    }

    @Test("A book is found and its title asked for, a page is put and the newer one stays")
    func table() async throws {
        let book: [UInt8] = [0x12, 0x20] + [UInt8](repeating: 7, count: 32)
        try await Self.running(.standard.adding(library())) { _, way in
            let owner = library(by: [way])
            let answering = title.serving { asked, _ in asked == book ? "Walden" : "" }
            try await Self.running(.standard.adding(owner, answering)) { _, _ in
                try await owner.waitForPeers()
                #expect(try await owner.provide(book).holders.count == 1)
                let reader = library(by: [way])
                try await Self.running(.standard.adding(reader)) { host, _ in
                    let connection = try #require(try await borrow(book, by: reader, on: host))
                    #expect(try await title.ask(book, on: connection) == "Walden")
                    let key = Array("/page/1".utf8)
                    try await reader.put([2] + Array("new".utf8), for: key)
                    await #expect(throws: KademliaError.self) { try await reader.put([3], for: key) }
                    await #expect(throws: KademliaError(.outdated, "")) { try await reader.put([1] + Array("old".utf8), for: key) }
                    #expect(try await owner.value(for: key) == [2] + Array("new".utf8))
                }
            }
        }
    }

    @Test("Two that know a meeting point alone meet")
    func meetingPoint() async throws {
        try await Self.running(.standard.adding(RendezvousPoint())) { _, point in
            try await Self.host(at: point).running { one in
                try await one.listen(on: "/ip4/127.0.0.1/tcp/0")
                let events = one.events()
                try await Self.host(at: point).running { other in
                    try await other.listen(on: "/ip4/127.0.0.1/tcp/0")
                    for await event in events {
                        if case .connected(let connection) = event, connection.remotePeer == other.peerID { return }
                    }
                    Issue.record("they have not met")
                }
            }
        }
    }

    private static func host(at point: Multiaddr) async throws -> PeerHost {
        let meeting = try Rendezvous("my-game", at: point)
        let host = try await PeerHost.standard(modules: .standard.adding(meeting))
        return host
    }
}
