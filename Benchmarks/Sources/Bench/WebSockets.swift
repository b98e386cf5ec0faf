import ArgumentParser

/// What frames and masks cost.
struct WebSockets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "websockets",
        abstract: "Throughput over WebSocket next to plain TCP, in turns, so that the machine is the same to both.")

    @Option(help: "How often each is measured.") var rounds = 5
    @Option(help: "MiB to send each time.") var mebibytes = 1_024
    @Option(help: "The secure channel: noise or tls.") var security = "noise"

    func run() async throws { try await self.measure() }

    func measure() async throws {
        let plain = try Throughput.parse(["--mebibytes", "\(self.mebibytes)", "--security", self.security])
        let framed = try Throughput.parse(["--mebibytes", "\(self.mebibytes)", "--security", self.security, "--ws"])
        var rates: (plain: [Double], framed: [Double]) = ([], [])
        for _ in 0..<max(1, self.rounds) {
            rates.plain.append(try await plain.rate())
            rates.framed.append(try await framed.rate())
        }
        let (tcp, ws) = (Self.median(rates.plain), Self.median(rates.framed))
        report("tcp next to ws: throughput, 1 stream", tcp, "MB/s", "median of \(rates.plain.count)")
        report("ws next to tcp: throughput, 1 stream", ws, "MB/s", "median of \(rates.framed.count)")
        report("ws next to tcp", ws / tcp * 100, "%")
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
