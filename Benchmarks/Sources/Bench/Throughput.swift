import ArgumentParser
import NIOCore
import P2P

struct Throughput: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Bytes per second over one connection, one way.")

    @Option(help: "Streams at a time.") var streams = 1
    @Option(help: "MiB to send, over all streams.") var mebibytes = 2_048

    @OptionGroup var stack: Stack

    func run() async throws { try await self.measure() }

    func measure() async throws {
        report(
            "\(self.stack.label)throughput, \(self.streams) stream\(self.streams == 1 ? "" : "s")", try await self.rate(), "MB/s",
            "\(self.mebibytes) MiB, both ends here")
    }

    /// MB/s of a fresh pair of hosts.
    func rate() async throws -> Double {
        let (streams, mebibytes) = (self.streams, self.mebibytes)
        return try await Pair.run(self.stack) { pair in
            try pair.listener.serve(Sink())
            let connection = try await pair.dialer.connect(to: pair.address)
            let perStream = mebibytes * 1_048_576 / streams
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<streams {
                    group.addTask {
                        try await Sink.fill(try await pair.dialer.openStream(on: connection.id, protocols: [Sink.id]), perStream)
                    }
                }
                try await group.waitForAll()
            }
            return Double(mebibytes) * 1.048576 / (ContinuousClock.now - start).seconds
        }
    }
}

/// Reads everything and answers with one byte.
struct Sink: ProtocolHandler {
    static let id: ProtocolID = "/bench/sink/1.0.0"
    var protocolIDs: [ProtocolID] { [Self.id] }
    var placement: HandlerPlacement { .connectionLoop }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        while try await stream.read() != nil {}
        try await stream.write(ByteBuffer(bytes: [1]))
    }

    /// Sends so many bytes, and waits until they have been read.
    static func fill(_ stream: PeerStream, _ count: Int) async throws {
        let chunk = ByteBuffer(repeating: 0x5a, count: 65_536)
        var left = count
        while left > 0 {
            try await stream.write(chunk)
            left -= chunk.readableBytes
        }
        try await stream.finish()
        guard try await stream.readExactly(1) != nil else { throw ExitCode(1) }
    }
}
