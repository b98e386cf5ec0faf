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

    @Test("Whoever comes to a meeting point finds who is there")
    func meetingPoint() async throws {
        let registrations = RendezvousPoint()
        try await Self.running(.standard.adding(registrations)) { _, point in
            let (one, other) = (try await player(meetingAt: point), try await player(meetingAt: point))
            for host in [one, other] { _ = try await host.listen(on: "/ip4/127.0.0.1/tcp/0") }
            let events = other.events()
            try await one.running { _ in
                while registrations.registrationCount == 0 { try await Task.sleep(for: .milliseconds(10)) }
                try await other.running { _ in
                    for await event in events {
                        if case .connected(let connection) = event, connection.remotePeer == one.peerID { return }
                    }
                    Issue.record("they have not met")
                }
            }
        }
    }
}
