import P2P
import Synchronization
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("What the articles show", .timeLimit(.minutes(1)))
struct ArticleExampleTests {
    private final class Page: Sendable {
        private let lines = Mutex<[String]>([])
        var shown: [String] { self.lines.withLock { $0 } }
        func show(_ line: String) { self.lines.withLock { $0.append(line) } }
    }

    private static func lines(_ lines: String...) -> AsyncStream<String> {
        AsyncStream { continuation in
            for line in lines { continuation.yield(line) }
            continuation.finish()
        }
    }

    @Test("Both sides talk on one stream, and nothing of it is lost")
    func conversation() async throws {
        let (near, far) = (Page(), Page())
        try await withHosts { client, server, address in
            try server.serve("/example/talk/1.0.0") { stream, _ in
                try await converse(on: stream, sending: Self.lines("d", "e"), showing: far.show)
            }
            let stream = try await client.connect(to: address).openStream("/example/talk/1.0.0")
            try await converse(on: stream, sending: Self.lines("a", "b", "c"), showing: near.show)
        }
        #expect(near.shown == ["d", "e"])
        #expect(far.shown == ["a", "b", "c"])
    }

    @Test("A handler asks back")
    func back() async throws {
        try await withHosts { client, server, address in
            try server.serve(Introduction())
            #expect(try await introduce(client, as: "Ada", to: address) == "You are Ada.")
        }
    }

    @Test("What fails is told")
    func failures() async throws {
        try await withHosts { client, _, address in
            #expect(try await greeting(from: "\(address)", to: client) == "It greets nobody.")
            let nobody = try Multiaddr("/ip4/127.0.0.1/tcp/1/p2p/\(PeerID(try PrivateKey.generate(.ed25519).publicKey))")
            #expect(try await greeting(from: "\(nobody)", to: client).hasPrefix("Nobody was reached: "))
        }
    }

    @Test("A key is made once")
    func key() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "key-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "node.key").path
        let key = try lastingKey(in: path)
        #expect(try lastingKey(in: path).publicKey == key.publicKey)
    }
}
