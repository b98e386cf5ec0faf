import P2P
import P2PPipeline
import Testing

@Suite("What applications attach to their handshakes", .timeLimit(.minutes(1)))
struct MetadataTests {
    private static func configuration(_ security: any SecureChannelModule, _ metadata: [UInt8]) -> StandardConfiguration {
        var configuration = StandardConfiguration()
        configuration.security = [security]
        configuration.appMetadata = metadata
        return configuration
    }

    @Test("Each side reads the other's, up to the limit, before the first stream", arguments: securities.indices)
    func both(index: Int) async throws {
        let (mine, theirs) = (Array("the dialer's".utf8), [UInt8](repeating: 7, count: ConnectionInfo.maximumAppMetadata))
        try await withHosts(dialer: Self.configuration(securities[index], mine), listener: Self.configuration(securities[index], theirs)) {
            dialer, listener, address in
            let events = listener.events()
            let dialled = try await dialer.connect(to: address)
            #expect(dialled.appMetadata == theirs)
            for await case .connected(let connection) in events {
                #expect(connection.appMetadata == mine)
                break
            }
        }
    }

    @Test("Nothing attached is nothing found", arguments: securities.indices)
    func nothing(index: Int) async throws {
        try await withHosts(dialer: Self.configuration(securities[index], []), listener: Self.configuration(securities[index], [])) {
            dialer, listener, address in
            let events = listener.events()
            let dialled = try await dialer.connect(to: address)
            #expect(dialled.appMetadata == nil)
            for await case .connected(let connection) in events {
                #expect(connection.appMetadata == nil)
                break
            }
        }
    }

    @Test("More than the limit is refused when the host is made", arguments: securities.indices)
    func tooMuch(index: Int) async throws {
        let identity = try PrivateKey.generate(.ed25519)
        let error = await #expect(throws: TransportError.self) {
            _ = try await PeerHost.standard(
                identity: identity, configuration: Self.configuration(securities[index], [UInt8](repeating: 1, count: 4_097)))
        }
        #expect(error?.code == .metadataTooLong)
        #expect(error?.message.contains("4097") == true && error?.message.contains("4096") == true)
    }

    @Test("The example of the page welcomes its own kind, and no others")
    func example() async throws {
        let archive = try await makeNode(try PrivateKey.generate(.ed25519), role: "archive")
        let editor = try await makeNode(try PrivateKey.generate(.ed25519), role: "editor")
        let stranger = try await PeerHost.standard(identity: try PrivateKey.generate(.ed25519))
        try archive.serve(Welcome())
        let address = try #require(try await archive.listen(on: Multiaddr("/ip4/127.0.0.1/tcp/0")).first)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for host in [archive, editor, stranger] { group.addTask { try await host.run() } }
            await editor.waitUntilRunning()
            let connection = try await editor.connect(to: address)
            #expect(connection.appMetadata == Array("notes/2 archive".utf8))
            let stream = try await editor.openStream(on: connection.id, protocols: ["/notes/welcome/2"])
            try await stream.finish()
            #expect(try await stream.readText(upTo: 100) == "Welcome, notes/2 editor")

            await stranger.waitUntilRunning()
            let events = stranger.events()
            if (try? await stranger.connect(to: address)) != nil {
                // The listener gates a dialer after its last handshake message, so the dialer hears of it a little later.
                for await case .disconnected in events { break }
            }
            #expect(archive.connections().map(\.remotePeer) == [editor.peerID])
            group.cancelAll()
        }
    }
}
