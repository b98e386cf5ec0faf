import ArgumentParser
import NIOCore
import P2P

struct Latency: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The round trip of 32 bytes over an open stream.")

    @Option(help: "Round trips.") var rounds = 20_000

    @OptionGroup var stack: Stack

    func run() async throws { try await self.measure() }

    func measure() async throws {
        let stack = self.stack
        let rounds = self.rounds
        try await Pair.run(stack) { pair in
            let connection = try await pair.dialer.connect(to: pair.address)
            let stream = try await pair.dialer.openStream(on: connection.id, protocols: ["/ipfs/ping/1.0.0"])
            let ping = ByteBuffer(repeating: 7, count: 32)
            let executor = pair.dialer.executor(of: connection.id)
            for (name, executor) in [("global executor", nil), ("connection's loop", executor)] {
                let times = try await Self.measure(stream, ping: ping, rounds: rounds, on: executor)
                report(
                    "\(stack.label)ping, median (dialer on the \(name))", times[times.count / 2] * 1e6, "µs",
                    "p99 \(Int(times[times.count * 99 / 100] * 1e6)) µs, \(rounds) rounds")
            }
        }
    }

    private static func measure(_ stream: PeerStream, ping: ByteBuffer, rounds: Int, on executor: (any TaskExecutor)?) async throws
        -> [Double]
    {
        try await withThrowingTaskGroup(of: [Double].self) { group in
            group.addTask(executorPreference: executor) {
                var times: [Double] = []
                times.reserveCapacity(rounds)
                for _ in 0..<rounds {
                    let start = ContinuousClock.now
                    try await stream.write(ping)
                    guard try await stream.readExactly(32) != nil else { throw ExitCode(1) }
                    times.append((ContinuousClock.now - start).seconds)
                }
                return times.sorted()
            }
            return try await group.next() ?? []
        }
    }
}
