import ArgumentParser

@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures swift-p2p on loopback, both ends in this process.",
        discussion: "Figures depend on the machine; compare ratios of one run. See `make bench`.",
        subcommands: [
            All.self, Connects.self, Throughput.self, Latency.self, Streams.self, Memory.self, Ceiling.self, WebSockets.self, Peers.self,
            Serve.self, Load.self,
        ],
        defaultSubcommand: All.self)
}

/// Everything, in one run.
struct All: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Runs every measurement.")

    func run() async throws {
        try await Ceiling.parse([]).measure()
        try await Throughput.parse(["--streams", "1"]).measure()
        try await Throughput.parse(["--streams", "8"]).measure()
        try await WebSockets.parse([]).measure()
        try await Peers.parse([]).measure()
        try await Latency.parse([]).measure()
        try await Streams.parse(["--concurrency", "16"]).measure()
        try await Streams.parse(["--concurrency", "1", "--count", "20000"]).measure()
        try await Connects.parse([]).measure()
        try await Connects.parse(["--concurrency", "1", "--count", "500"]).measure()
        try await Memory.parse([]).measure()
        let tls = ["--security", "tls"]
        try await Throughput.parse(["--streams", "1"] + tls).measure()
        try await Throughput.parse(["--streams", "8"] + tls).measure()
        try await Latency.parse(tls).measure()
        try await Connects.parse(tls).measure()
        try await Connects.parse(["--concurrency", "1", "--count", "500"] + tls).measure()
        try await Memory.parse(tls).measure()
        let quic = ["--quic"]
        try await Throughput.parse(["--streams", "1"] + quic).measure()
        try await Throughput.parse(["--streams", "8"] + quic).measure()
        try await Latency.parse(quic).measure()
        try await Streams.parse(["--concurrency", "16"] + quic).measure()
        try await Connects.parse(quic).measure()
        try await Connects.parse(["--concurrency", "1", "--count", "500"] + quic).measure()
        try await Memory.parse(quic).measure()
    }
}
