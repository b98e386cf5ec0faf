import NIOCore
import P2PCore
import P2PHost
import P2PPing
import P2PSwarm
import P2PTesting
import Testing

@Suite("The memory of a host")
struct MemoryTests {
    private static let mebibyte = 1 << 20

    /// Serves a protocol whose handler reads nothing.
    private static func server(of world: World, memory: Int) async throws -> PeerHost {
        var configuration = HostConfiguration()
        configuration.limits.memory = memory
        configuration.limits.memoryPerPeer = memory
        // All hosts of a world are in one network.
        configuration.limits.memoryPerNetwork = memory
        let server = try await world.host(PingProtocol(), configuration: configuration)
        let clock = server.clock
        try server.serve("/hoard/1.0.0") { _, _ in await clock.sleep(clock.now().advanced(by: .seconds(3_600))) }
        return server
    }

    /// Opens streams to the server and fills the windows of all.
    private static func fill(_ server: PeerHost, from host: PeerHost, streams: Int, in world: World) async throws -> [PeerStream] {
        let connection = try await world.perform { try await host.connect(to: server.peerID, at: server.listenAddresses) }
        var opened: [PeerStream] = []
        for _ in 0..<streams {
            let stream = try await world.perform { try await connection.openStream("/hoard/1.0.0") }
            for _ in 0..<15 { try await world.perform { try await stream.write(ByteBuffer(repeating: 0, count: 64 * 1_024)) } }
            opened.append(stream)
        }
        return opened
    }

    @Test("Strangers who fill every window are closed, the heaviest first; who pings goes on", .timeLimit(.minutes(1)))
    func strangers() async throws {
        try await withWorld(seed: 11, everyLink: .latency(.milliseconds(5))) { world in
            let server = try await Self.server(of: world, memory: 16 * Self.mebibyte)
            let honest = try await world.host()
            let pinger = Pinger(
                on: try await world.perform { try await honest.connect(to: server.peerID, at: server.listenAddresses) })
            var streams: [PeerStream] = []
            for count in [7, 4, 2] {
                streams += try await Self.fill(server, from: try await world.host(), streams: count, in: world)
                try await world.run(for: .seconds(2))
                _ = try await world.perform { try await pinger.ping(timeout: nil) }
                #expect(server.statistics().heldBytes <= 16 * Self.mebibyte)
            }
            try await world.run(for: .seconds(3))
            let closed = streams.map { $0.muxed.failure != nil }
            #expect(closed == [Bool](repeating: true, count: 7) + [Bool](repeating: false, count: 6))
            #expect(server.connections().contains { $0.remotePeer == honest.peerID } && server.connections().count == 3)
            let limits = server.limits()
            #expect(limits.contains { $0.name == "memory" && $0.refusals == 1 && $0.peak > 12 * Self.mebibyte })

            // It all comes back.
            for connection in server.connections() where connection.remotePeer != honest.peerID {
                try await world.perform { await connection.close() }
            }
            try await world.run(for: .seconds(2))
            #expect(server.statistics().heldBytes < Self.mebibyte)
        }
    }
}
