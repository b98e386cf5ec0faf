import ArgumentParser

@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures swift-p2p on loopback, both ends in this process.",
        discussion: "Figures depend on the machine; compare ratios of one run. See `make bench`.",
        subcommands: [All.self, Connects.self, Throughput.self, Latency.self, Streams.self, Memory.self, Ceiling.self],
        defaultSubcommand: All.self)
}

/// Everything, in one run.
struct All: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Runs every measurement.")

    func run() async throws {
        var ceiling = Ceiling()
        try await ceiling.measure()
        for streams in [1, 8] {
            var throughput = Throughput()
            throughput.streams = streams
            throughput.mebibytes = 2_048
            try await throughput.measure()
        }
        var latency = Latency()
        latency.rounds = 20_000
        try await latency.measure()
        var streams = Streams()
        streams.count = 50_000
        streams.concurrency = 16
        try await streams.measure()
        streams.concurrency = 1
        try await streams.measure()
        var connects = Connects()
        connects.count = 2_000
        connects.concurrency = 8
        try await connects.measure()
        var memory = Memory()
        memory.count = 1_000
        try await memory.measure()
    }
}
