import Logging
import NIOCore
import P2PCore
import P2PHost
import P2PPing
import P2PSwarm
import P2PTesting
import Synchronization
import Testing

@Suite("The memory of a host")
struct MemoryTests {
    private static let mebibyte = 1 << 20

    /// Serves a protocol whose handler reads nothing.
    private static func server(of world: World, memory: Int, perPeer: Int? = nil, lines: Lines = Lines()) async throws -> PeerHost {
        var configuration = HostConfiguration()
        configuration.limits.memory = memory
        configuration.limits.memoryPerPeer = perPeer ?? memory
        // All hosts of a world are in one network.
        configuration.limits.memoryPerNetwork = memory
        let server = try await world.host(PingProtocol(), configuration: configuration, logger: lines.logger)
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
            for count in [6, 3, 2] {
                streams += try await Self.fill(server, from: try await world.host(), streams: count, in: world)
                try await world.run(for: .seconds(2))
                _ = try await world.perform { try await pinger.ping(timeout: nil) }
                #expect(server.statistics().heldBytes <= 16 * Self.mebibyte)
            }
            try await world.run(for: .seconds(3))
            let closed = streams.map { $0.muxed.failure != nil }
            #expect(closed == [Bool](repeating: true, count: 6) + [Bool](repeating: false, count: 5))
            #expect(server.connections().contains { $0.remotePeer == honest.peerID } && server.connections().count == 3)
            let limits = server.limits()
            #expect(limits.contains { $0.name == "memory" && $0.refusals == 1 && $0.peak > 10 * Self.mebibyte })

            // It all comes back.
            for connection in server.connections() where connection.remotePeer != honest.peerID {
                try await world.perform { await connection.close() }
            }
            try await world.run(for: .seconds(2))
            #expect(server.statistics().heldBytes < Self.mebibyte)
        }
    }

    @Test("A line a second tells of streams that are refused, and of each once: also of the last", .timeLimit(.minutes(1)))
    func refusals() async throws {
        try await withWorld(seed: 12, everyLink: .latency(.milliseconds(5))) { world in
            let lines = Lines()
            let server = try await Self.server(of: world, memory: 16 * Self.mebibyte, perPeer: 4 * Self.mebibyte, lines: lines)
            let hoarder = try await world.host()
            _ = try await Self.fill(server, from: hoarder, streams: 3, in: world)
            let connection = try #require(hoarder.connections().first)
            for refused in 1...7 {
                await #expect(throws: (any Error).self) {
                    try await world.perform { _ = try await connection.openStream("/hoard/1.0.0").read() }
                }
                if refused == 4 { try await world.run(for: .milliseconds(1_500)) }
            }
            try await world.run(for: .seconds(2))
            // The first at once; those that came in the second after it together; the same again.
            #expect(lines.refused == [1, 3, 3] || lines.refused == [1, 3, 1, 2], "\(lines.refused)")
        }
    }
}

/// Keeps how many streams each line says that were refused.
private final class Lines: Sendable {
    private let told = Mutex<[Int]>([])

    var refused: [Int] { self.told.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.notice

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            guard event.message.description.hasPrefix("streams are refused"),
                let streams = (event.metadata?["streams"]?.description).flatMap(Int.init)
            else { return }
            self.lines.told.withLock { $0.append(streams) }
        }
    }
}
