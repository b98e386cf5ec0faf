import P2P

// begin: README example
struct Hello: ProtocolHandler {
    let protocolIDs: [ProtocolID] = ["/hello/1.0.0"]

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let name = try await stream.readText(upTo: 1_024)
        try await stream.write(text: "Hello \(name), your key is proved: \(connection.remotePeer)")
    }
}

func greet(_ name: String, at address: Multiaddr, as host: PeerHost) async throws -> String {
    let stream = try await host.connect(to: address).openStream("/hello/1.0.0")
    try await stream.write(text: name)
    try await stream.finish()
    return try await stream.readText(upTo: 4_096)
}
// end: README example
