import ArgumentParser
import CAllocationCounter
import NIOCore
import P2P

struct Streams: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Open a stream, echo 32 bytes, close it; and what that allocates.")

    @Option(help: "Streams in all.") var count = 50_000
    @Option(help: "Streams at a time.") var concurrency = 16

    @OptionGroup var stack: Stack

    func run() async throws { try await self.measure() }

    func measure() async throws {
        let stack = self.stack
        let (count, concurrency) = (self.count, self.concurrency)
        try await Pair.run(stack) { pair in
            let connection = try await pair.dialer.connect(to: pair.address)
            try await Self.echo(pair, connection: connection, count: 2_000, concurrency: concurrency)
            let allocations = allocation_count()
            let start = ContinuousClock.now
            try await Self.echo(pair, connection: connection, count: count, concurrency: concurrency)
            let seconds = (ContinuousClock.now - start).seconds
            let each = Double(allocation_count() - allocations) / Double(count)
            report("\(stack.label)streams, open-echo-close, \(concurrency) at a time", Double(count) / seconds, "/s", "\(count) streams")
            report("\(stack.label)allocations per stream, \(concurrency) at a time", each, "", "both ends together, all that malloc sees")
        }
    }

    private static func echo(_ pair: Pair, connection: PeerConnection, count: Int, concurrency: Int) async throws {
        let executor = pair.dialer.executor(of: connection.id)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<concurrency {
                group.addTask(executorPreference: executor) {
                    let bytes = ByteBuffer(repeating: 9, count: 32)
                    for _ in 0..<(count / concurrency) {
                        let stream = try await pair.dialer.openStream(on: connection.id, protocols: ["/echo/1.0.0"])
                        try await stream.write(bytes)
                        guard try await stream.readExactly(32) != nil else { throw ExitCode(1) }
                        try await stream.finish()
                        guard try await stream.read() == nil else { throw ExitCode(1) }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
