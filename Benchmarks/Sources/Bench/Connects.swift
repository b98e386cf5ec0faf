import ArgumentParser
import P2P

struct Connects: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Whole connects per second: TCP, Noise, yamux and identify, then close.")

    @Option(help: "Connects in all.") var count = 2_000
    @Option(help: "Connects at a time.") var concurrency = 8

    func run() async throws { try await self.measure() }

    func measure() async throws {
        let (count, concurrency) = (self.count, self.concurrency)
        try await Pair.run { pair in
            let start = ContinuousClock.now
            let times = try await withThrowingTaskGroup(of: [Double].self) { group in
                for _ in 0..<concurrency {
                    group.addTask {
                        var times: [Double] = []
                        for _ in 0..<(count / concurrency) {
                            let begun = ContinuousClock.now
                            let connection = try await pair.connect()
                            times.append((ContinuousClock.now - begun).seconds)
                            // The host identifies by itself, too; this one is waited for.
                            let stream = try await pair.dialer.openStream(on: connection.id, protocols: ["/ipfs/id/1.0.0"])
                            _ = try await stream.readMessage(upTo: 8_192)
                            await pair.dialer.disconnect(connection.id)
                        }
                        return times
                    }
                }
                var all: [Double] = []
                for try await times in group { all += times }
                return all.sorted()
            }
            let seconds = (ContinuousClock.now - start).seconds
            report("connects, with identify, \(concurrency) at a time", Double(times.count) / seconds, "/s", "median \(Int(times[times.count / 2] * 1e6)) µs; both ends here")
        }
    }
}
