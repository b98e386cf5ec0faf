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
        try server.serve(Hello())
        let address = try #require(try await server.listen(on: Multiaddr("/ip4/127.0.0.1/tcp/0")).first)
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

    @Test(
        "Examples are those that are compiled here",
        arguments: [("ReadmeExample", "README example", "README.md"), ("MetadataExample", "metadata example", "Specs/Metadata.md")])
    func sameText(file: String, name: String, page: String) throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
        let source = try String(contentsOf: folder.appending(path: "\(file).swift"), encoding: .utf8)
        let text = try String(contentsOf: folder.appending(path: "../../\(page)"), encoding: .utf8)
        let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
        let example = lines.drop { $0 != "// begin: \(name)" }.dropFirst().prefix { $0 != "// end: \(name)" }
        #expect(example.count > 10)
        #expect(text.contains("```swift\n" + example.joined(separator: "\n")))
    }
}
