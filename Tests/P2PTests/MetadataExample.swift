// begin: metadata example
import P2P

/// A node of an application whose nodes say in their handshakes what they are.
func makeNode(_ identity: any IdentityKey, role: String) async throws -> PeerHost {
    var configuration = StandardConfiguration()
    configuration.appMetadata = Array("notes/2 \(role)".utf8)
    configuration.gater = NotesOnly()
    return try await PeerHost.standard(identity: identity, configuration: configuration)
}

/// Decides before the first stream: connections to anything else end with the handshake.
struct NotesOnly: ConnectionGater {
    func mayKeep(_ connection: ConnectionInfo, dialledAt address: Multiaddr?) async -> GateAnswer {
        GateAnswer(connection.appMetadata?.starts(with: "notes/2 ".utf8) == true)
    }
}

/// Answers by what the peer has said of itself.
struct Welcome: ProtocolHandler {
    let protocolIDs: [ProtocolID] = ["/notes/welcome/2"]

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let said = connection.appMetadata.map { String(decoding: $0, as: UTF8.self) }
        try await stream.write(text: "Welcome, \(said ?? "stranger")")
    }
}
// end: metadata example
