import ArgumentParser
import NIOCore
import P2P
import P2PCore
import P2PMultiaddr

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Peers at one relay, many at a time, and circuits between some of them that carry what they can: the load of `make relay-bench`.
@main
struct RelayLoad: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "P2PRelayLoad", abstract: "Takes places at a relay, and sends through it as much as it carries.")

    @Option(help: "The relay, on this machine.") var relay: String
    @Option(help: "Peers that have a place.") var peers = 1_000
    @Option(help: "Circuits to as many of them that are busy.") var circuits = 200
    @Option(help: "Seconds that the circuits are.") var seconds = 10
    @Option(help: "Seconds of rest when all places are taken.") var rest = 3

    /// Peers at one address, of which a relay takes 8.
    private static let perAddress = 8
    private static let atATime = 16
    /// How long one peer waits for its place.
    private static let patience = Duration.seconds(30)

    private struct NoPlace: Error, CustomStringConvertible {
        let number: Int
        var description: String { "peer \(self.number) has no place at the relay after \(RelayLoad.patience)" }
    }

    func validate() throws {
        guard (1...10_000).contains(self.peers), (0...self.peers).contains(self.circuits) else {
            throw ValidationError("There are 10,000 peers at most, and no more circuits than peers.")
        }
    }

    func run() async throws {
        let relay = try Multiaddr(self.relay)
        try await withThrowingTaskGroup(of: Void.self) { life in
            var targets: [PeerHost] = []
            var sources: [PeerHost] = []
            for number in 0..<(self.peers + self.circuits) {
                let host = try await Self.host()
                if number < self.peers { targets.append(host) } else { sources.append(host) }
                life.addTask {
                    try await host.running { _ in
                        while !Task.isCancelled { try? await Task.sleep(for: .seconds(3_600)) }
                    }
                }
            }
            let began = ContinuousClock.now
            try await Self.each(targets) { number, host in try await Self.reserve(host, number, at: relay) }
            Self.say(#""event":"reserved","peers":\#(self.peers),"seconds":\#(Self.seconds(since: began))"#)
            try await Task.sleep(for: .seconds(self.rest))
            let ends = Array(zip(sources, targets))
            let connections = try await Self.each(ends) { _, ends in
                let address = try relay.appending(.p2pCircuit).withPeerID(ends.1.peerID)
                return try await ends.0.connect(toAnyPeerAt: address)
            }
            Self.say(#""event":"busy","circuits":\#(connections.count)"#)
            let busy = ContinuousClock.now
            let deadline = busy + .seconds(self.seconds)
            let bytes = try await withThrowingTaskGroup(of: Int.self) { group in
                for connection in connections { group.addTask { try await Self.echo(over: connection, until: deadline) } }
                return try await group.reduce(0, +)
            }
            Self.say(#""event":"done","bytes":\#(bytes),"seconds":\#(Self.seconds(since: busy))"#)
            life.cancelAll()
        }
    }

    private static func host() async throws -> PeerHost {
        var configuration = StandardConfiguration()
        configuration.transports = [TCP()]
        return try await PeerHost.standard(
            configuration: configuration, modules: .standard.adding(RelayClient(), EchoProtocol(servesLimitedConnections: true)))
    }

    /// From an address that few others have.
    private static func reserve(_ host: PeerHost, _ number: Int, at relay: Multiaddr) async throws {
        let place = number / Self.perAddress
        _ = try await host.listen(on: Multiaddr("/ip4/127.1.\(place / 250).\(place % 250 + 1)/tcp/0"))
        let events = host.events()
        _ = try await host.listen(on: relay.appending(.p2pCircuit))
        let hasPlace = await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await event in events {
                    if case .listening(let address) = event, address.isRelayed { return true }
                }
                return false
            }
            group.addTask {
                try? await Task.sleep(for: Self.patience)
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
        try Task.checkCancellation()
        guard hasPlace else { throw NoPlace(number: number) }
    }

    /// Sends and has it sent back; how many bytes the relay has carried.
    private static func echo(over connection: PeerConnection, until deadline: ContinuousClock.Instant) async throws -> Int {
        let stream = try await connection.openStream(EchoProtocol.id)
        let piece = [UInt8](repeating: 7, count: 32 * 1_024)
        return try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask {
                var sent = 0
                while ContinuousClock.now < deadline {
                    try await stream.write(bytes: piece)
                    sent += piece.count
                }
                try await stream.finish()
                return sent
            }
            group.addTask {
                var received = 0
                while let bytes = try await stream.read() { received += bytes.readableBytes }
                return received
            }
            return try await group.reduce(0, +)
        }
    }

    @discardableResult private static func each<Item: Sendable, Result: Sendable>(
        _ items: [Item], _ body: @escaping @Sendable (Int, Item) async throws -> Result
    ) async throws -> [Result] {
        try await withThrowingTaskGroup(of: Result.self) { group in
            var results: [Result] = []
            for (number, item) in items.enumerated() {
                if number >= Self.atATime, let result = try await group.next() { results.append(result) }
                group.addTask { try await body(number, item) }
            }
            for try await result in group { results.append(result) }
            return results
        }
    }

    private static func seconds(since began: ContinuousClock.Instant) -> Double {
        let time = (ContinuousClock.now - began).components
        return Double(time.seconds) + Double(time.attoseconds) / 1e18
    }

    /// One object a line, at once: somebody looks at the relay when it comes.
    private static func say(_ fields: String) {
        let line = Array("{\(fields)}\n".utf8)
        _ = write(STDOUT_FILENO, line, line.count)
    }
}
