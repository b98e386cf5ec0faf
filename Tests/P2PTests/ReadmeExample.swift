// begin: README example
import P2P

struct Greeter: ProtocolHandler {
    let protocolIDs: [ProtocolID] = ["/greeter/1.0.0"]

    func handle(_ stream: PeerStream, on connection: ConnectionInfo) async throws {
        let name = try await stream.readText(upTo: 1_024)
        try await stream.write(text: "Hello \(name), your key is proved: \(connection.remotePeer)")
    }
}

func greet(_ name: String, at address: Multiaddr, as host: PeerHost) async throws -> String {
    let connection = try await host.dial(address)
    let stream = try await host.openStream(on: connection.id, protocols: ["/greeter/1.0.0"])
    try await stream.write(text: name)
    try await stream.finish()
    return try await stream.readText(upTo: 4_096)
}
// end: README example
