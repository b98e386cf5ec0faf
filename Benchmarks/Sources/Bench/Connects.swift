import ArgumentParser
import CAllocationCounter
import P2P

struct Connects: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Whole connects per second: TCP, Noise, yamux and identify, then close; and what they allocate.")

    @Option(help: "Connects in all.") var count = 2_000
    @Option(help: "Connects at a time.") var concurrency = 8

    @OptionGroup var stack: Stack

    func run() async throws { try await self.measure() }

    func measure() async throws {
        let stack = self.stack
        let (count, concurrency) = (self.count, self.concurrency)
        try await Pair.run(stack) { pair in
            // A peer has one connection to another, so whoever dials at the same time is somebody else.
            var dialers: [PeerHost] = []
            for _ in 0..<concurrency { dialers.append(try await Pair.host(stack)) }
            let allocations = allocation_count()
            let start = ContinuousClock.now
            let times = try await withThrowingTaskGroup(of: [Double].self) { group in
                for dialer in dialers {
                    group.addTask { try await Self.connect(dialer, to: pair.address, count: count / concurrency) }
                }
                var all: [Double] = []
                for try await times in group { all += times }
                return all.sorted()
            }
            let seconds = (ContinuousClock.now - start).seconds
            report(
                "\(stack.label)connects, with identify, \(concurrency) at a time", Double(times.count) / seconds, "/s",
                "median \(Int(times[times.count / 2] * 1e6)) µs until both have identified; both ends here")
            report(
                "\(stack.label)allocations per connect, \(concurrency) at a time",
                Double(allocation_count() - allocations) / Double(times.count), "", "both ends together, all that malloc sees")
        }
    }

    static func connect(_ dialer: PeerHost, to address: Multiaddr, count: Int) async throws -> [Double] {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await dialer.run() }
            await dialer.waitUntilRunning()
            var events = dialer.events().makeAsyncIterator()
            var times: [Double] = []
            for _ in 0..<count {
                let begun = ContinuousClock.now
                let connection = try await dialer.connect(to: address)
                while let event = await events.next() {
                    if case .identified(let info, _) = event, info.id == connection.id { break }
                }
                times.append((ContinuousClock.now - begun).seconds)
                await dialer.disconnect(connection.id)
            }
            group.cancelAll()
            return times
        }
    }
}
