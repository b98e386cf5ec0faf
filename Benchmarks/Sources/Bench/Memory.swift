import ArgumentParser
import P2P

struct Memory: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Resident memory per idle connection and per idle stream; one end's share.")

    @Option(help: "Connections.") var count = 1_000

    @Option(help: "Seconds of which a figure is the mean; 60 to see how connections keep themselves alive.") var seconds = 6

    @Option(help: "Connections that get a hundred streams each.") var crowded = 100

    @OptionGroup var stack: Stack

    func run() async throws { try await self.measure() }

    func measure() async throws {
        let stack = self.stack
        let (count, crowded, seconds) = (self.count, self.crowded, self.seconds)
        try await Pair.run(stack) { pair in
            try pair.listener.serve(Held())
            var connections: [PeerConnection] = []
            for _ in 0..<50 { connections.append(try await pair.connect()) }
            let before = try await Settled(seconds: seconds)
            for _ in 0..<count { connections.append(try await pair.connect()) }
            let after = try await Settled(seconds: seconds)
            report(
                "\(stack.label)memory per idle connection, one end", Double(after.bytes - before.bytes) / Double(2 * count) / 1_024, "KiB",
                "\(after.allocated(since: before, each: 2 * count)); \(count) connections, both ends here, halved")

            report(
                "\(stack.label)processor time of an idle connection, one end",
                (after.processor - before.processor) / Double(2 * count) * 1_000_000, "µs/s", "of the same connections")

            var streams: [PeerStream] = []
            for connection in connections.prefix(crowded) {
                for _ in 0..<100 {
                    let stream = try await pair.dialer.openStream(on: connection.id, protocols: [Held.id])
                    try await stream.write(bytes: [1])
                    // A refused stream would cost little and count as much.
                    guard try await stream.readExactly(1) != nil else { throw ExitCode(1) }
                    streams.append(stream)
                }
            }
            let withStreams = try await Settled(seconds: seconds)
            report(
                "\(stack.label)memory per idle stream, one end",
                Double(withStreams.bytes - after.bytes) / Double(2 * streams.count) / 1_024, "KiB",
                "\(withStreams.allocated(since: after, each: 2 * streams.count)); \(streams.count) streams, both ends here, halved; with its task"
            )
        }
    }
}

extension Settled {
    fileprivate func allocated(since before: Settled, each count: Int) -> String {
        "\((self.allocated - before.allocated) / count) bytes of it allocated"
    }
}

/// Answers a byte, and holds the stream until the other side ends it.
private struct Held: ProtocolHandler {
    static let id: ProtocolID = "/bench/held/1.0.0"
    var protocolIDs: [ProtocolID] { [Self.id] }
    var placement: HandlerPlacement { .connectionLoop }
    var limits: StreamLimits { StreamLimits(inboundPerPeer: 100_000) }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        while let bytes = try await stream.read() { try await stream.write(bytes) }
    }
}
