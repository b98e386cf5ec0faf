import ArgumentParser
import NIOCore
import P2P

/// A listener in a process of its own, for ``Load`` in another.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Listens until its input ends, and says where: one address a line.",
        discussion: "For `bench load` in another process. Each port of QUIC has an event loop, as long as there are enough.")

    @Option(help: "Ports to listen on.") var ports = 1

    @OptionGroup var stack: Stack

    func run() async throws {
        let listener = try await Pair.host(self.stack)
        try listener.serve(Sink())
        for _ in 0..<self.ports {
            for address in try await listener.listen(on: try Multiaddr(self.stack.listenAddress)) { print(address) }
        }
        flushOutput()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            while await Self.line() != nil {}
            group.cancelAll()
        }
    }

    /// Holds a thread of the global pool; connections have event loops of their own.
    @concurrent private static func line() async -> String? { readLine() }
}

/// Dialers in a process of their own.
struct Load: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connects and bytes from this process to listeners in another (`bench serve`).")

    @Argument(help: "Where to dial; the dialers take turns.") var addresses: [String]
    @Option(help: "Dialers at a time.") var dialers = 8
    @Option(help: "Connects in all.") var connects = 2_000
    @Option(help: "MiB in all.") var mebibytes = 2_048

    @OptionGroup var stack: Stack

    func run() async throws {
        let targets = try self.addresses.map { try Multiaddr($0) }
        let stack = self.stack
        let share = self.mebibytes * 1_048_576 / self.dialers
        let bytes = try await self.measure(targets) { try await Self.fill(try await Pair.host(stack), $0, share) }
        report("\(stack.label)throughput, \(self.dialers) dialers", Double(self.mebibytes) * 1.048576 / bytes, "MB/s")
        let count = self.connects / self.dialers
        let seconds = try await self.measure(targets) { _ = try await Connects.connect(try await Pair.host(stack), to: $0, count: count) }
        report("\(stack.label)connects, with identify, \(self.dialers) dialers", Double(count * self.dialers) / seconds, "/s")
    }

    /// Seconds until every dialer is done.
    private func measure(_ targets: [Multiaddr], _ dial: @escaping @Sendable (Multiaddr) async throws -> Void) async throws -> Double {
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<self.dialers { group.addTask { try await dial(targets[number % targets.count]) } }
            try await group.waitForAll()
        }
        return (ContinuousClock.now - start).seconds
    }

    private static func fill(_ host: PeerHost, _ target: Multiaddr, _ count: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await host.run() }
            await host.waitUntilRunning()
            let connection = try await host.connect(to: target)
            try await Sink.fill(try await host.openStream(on: connection.id, protocols: [Sink.id]), count)
            group.cancelAll()
        }
    }
}
