import P2P
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("README")
struct ReadmeTests {
    @Test("Its example does what it says")
    func example() async throws {
        let server = try await PeerHost.standard(identity: try PrivateKey.generate(.ed25519))
        let client = try await PeerHost.standard(identity: try PrivateKey.generate(.ed25519))
        try server.register(Greeter())
        let address = try #require(try await server.listen(on: try Multiaddr("/ip4/127.0.0.1/tcp/0")).first)
        let text = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { try await client.run() }
            await client.waitUntilRunning()
            let text = try await greet("Ada", at: address, as: client)
            group.cancelAll()
            return text
        }
        #expect(text == "Hello Ada, your key is proved: \(client.peerID)")
    }

    @Test("Its example is the one that is compiled here")
    func sameText() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
        let source = try String(contentsOf: folder.appending(path: "ReadmeExample.swift"), encoding: .utf8)
        let readme = try String(contentsOf: folder.appending(path: "../../README.md"), encoding: .utf8)
        let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
        let example = lines.drop { $0 != "// begin: README example" }.dropFirst().prefix { $0 != "// end: README example" }
        #expect(example.count > 10)
        #expect(readme.contains("```swift\n" + example.joined(separator: "\n")))
    }
}
