import Logging
import P2P
import UnixSignals

#if ServiceLifecycle
    import ServiceLifecycle
#endif

// What the articles show beside the protocol of ProtocolExample.swift.

/// Sends the lines and shows those that come, until both sides have finished.
func converse(
    on stream: PeerStream, sending lines: AsyncStream<String>, showing show: @escaping @Sendable (String) -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            while let line = try await stream.readMessageText(upTo: 4_096) { show(line) }
        }
        group.addTask {
            for await line in lines { try await stream.writeMessage(text: line) }
            try await stream.finish()
        }
        try await group.waitForAll()
    }
}

/// Asks whoever asks for its own name.
struct Introduction: ProtocolHandler {
    let protocolIDs: [ProtocolID] = ["/example/introduction/1.0.0"]

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let back = try await connection.openStream("/example/name/1.0.0")
        let name = try await back.readText(upTo: 64)
        try await stream.write(text: "You are \(name).")
    }
}

func introduce(_ host: PeerHost, as name: String, to address: Multiaddr) async throws -> String {
    try host.serve("/example/name/1.0.0") { stream, _ in
        try await stream.write(text: name)
    }
    let stream = try await host.connect(to: address).openStream("/example/introduction/1.0.0")
    return try await stream.readText(upTo: 1_024)
}

func greeting(from address: String, to host: PeerHost) async throws -> String {
    do {
        let stream = try await host.connect(to: Multiaddr(address)).openStream("/greeter/1.0.0")
        return try await stream.readText(upTo: 1_024)
    } catch let error as DialError {
        return "Nobody was reached: \(error.message)"
    } catch let error as StreamError where error.code == .protocolNotSupported {
        return "It greets nobody."
    }
}

#if ServiceLifecycle
    func serveUntilSignalled(_ host: PeerHost) async throws {
        print(try await host.listen(on: "/ip4/127.0.0.1/tcp/0")[0])
        let services = ServiceGroup(
            services: [host], gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "greeter"))
        try await services.run()
    }
#endif

func lastingKey(in path: String) throws -> PrivateKey {
    do throws(IdentityError) {
        return try KeyFile.read(path)
    } catch {
        guard error.code == .keyFileMissing else { throw error }
    }
    let key = try PrivateKey.generate(.ed25519)
    try KeyFile.write(key, to: path)
    return key
}
