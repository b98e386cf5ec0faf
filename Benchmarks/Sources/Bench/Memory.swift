import ArgumentParser
import P2P

struct Memory: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Resident memory per idle connection and per idle stream; one end's share.")

    @Option(help: "Connections.") var count = 1_000

    @Option(help: "Seconds of which a figure is the mean; 60 to see how connections keep themselves alive.") var seconds = 6

    @OptionGroup var stack: Stack

    func run() async throws { try await self.measure() }

    func measure() async throws {
        let stack = self.stack
        let (count, seconds) = (self.count, self.seconds)
        try await Pair.run(stack) { pair in
            try pair.listener.serve(Sink())
            var connections: [PeerConnection] = []
            for _ in 0..<50 { connections.append(try await pair.connect()) }
            let before = try await Settled(seconds: seconds)
            for _ in 0..<count { connections.append(try await pair.connect()) }
            let after = try await Settled(seconds: seconds)
            report(
                "\(stack.label)memory per idle connection, one end", Double(after.bytes - before.bytes) / Double(2 * count) / 1_024, "KiB",
                "\(count) connections, both ends here, halved")

            report(
                "\(stack.label)processor time of an idle connection, one end",
                (after.processor - before.processor) / Double(2 * count) * 1_000_000, "µs/s", "of the same connections")

            var streams: [PeerStream] = []
            for connection in connections.prefix(20) {
                for _ in 0..<100 {
                    let stream = try await pair.dialer.openStream(on: connection.id, protocols: [Sink.id])
                    try await stream.write(bytes: [1])
                    streams.append(stream)
                }
            }
            let withStreams = try await Settled(seconds: seconds)
            report(
                "\(stack.label)memory per idle stream, one end",
                Double(withStreams.bytes - after.bytes) / Double(2 * streams.count) / 1_024, "KiB",
                "\(streams.count) streams, both ends here, halved; with its task")
        }
    }
}
