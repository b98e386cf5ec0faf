import P2P
import Synchronization
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Hosts as applications have them, on sockets of this machine, in one process.
@Suite("A hash table over sockets", .timeLimit(.minutes(10)))
struct KademliaHostTests {
    private final class Member: Sendable {
        let host: PeerHost
        let dht: Kademlia

        init(host: PeerHost, dht: Kademlia) {
            self.host = host
            self.dht = dht
        }
    }

    /// How many there are; P2P_DHT_HOSTS=50 makes it the measurement that the figures of `Specs/Kademlia.md` come from.
    private static let size = Surroundings.number("P2P_DHT_HOSTS") ?? 10

    private static func member(by way: Multiaddr?, over transport: String) async throws -> Member {
        var configuration = KademliaConfiguration("/sockets/kad/1.0.0", mode: .server, namespaces: .publicNetwork)
        configuration.bootstrap = way.map { [$0] } ?? []
        // One machine does the handshakes of both ends of every connection, and other things as well.
        if Self.size > 10 {
            (configuration.stall, configuration.dialTimeout, configuration.requestTimeout) = (.seconds(2), .seconds(15), .seconds(20))
        }
        let dht = Kademlia(configuration)
        let host = try await PeerHost.standard(modules: [Identify(), dht])
        _ = try await host.listen(on: Multiaddr("/ip4/127.0.0.1/\(transport)"))
        return Member(host: host, dht: dht)
    }

    @Test("What is provided is found, and after three of ten have gone it is found again", arguments: ["tcp/0", "udp/0/quic-v1"])
    func losses(transport: String) async throws {
        guard transport == "tcp/0" || QUICTransport.isBuiltIn else { return }
        let first = try await Self.member(by: nil, over: transport)
        let way = try #require(first.host.listenAddresses.first)
        try await withThrowingTaskGroup(of: Void.self) { group in
            let clock = ContinuousClock()
            var (members, figures): ([Member], [String]) = ([first], [])
            func measured<Success: Sendable>(_ what: String, _ body: () async throws -> Success) async throws -> Success {
                let began = clock.now
                let outcome = try await body()
                figures.append("\(what) \(Milliseconds(clock.now - began)) ms")
                return outcome
            }
            group.addTask { try await first.host.run() }
            await first.host.waitUntilRunning()
            let began = clock.now
            while members.count < Self.size {
                let member = try await Self.member(by: way, over: transport)
                group.addTask { try await member.host.run() }
                await member.host.waitUntilRunning()
                try await member.dht.waitForPeers(upTo: .seconds(120))
                // It has met one member, and asks at once; the next one comes when it has its answer.
                let nearest = try await member.dht.closestPeers(to: [UInt8(members.count)]).peers
                #expect(nearest.count >= min(20, members.count) / 4, "\(nearest.count) of \(members.count)")
                members.append(member)
            }
            figures.append("join and look up \(Milliseconds((clock.now - began) / (Self.size - 1))) ms each")
            let key: [UInt8] = [0x12, 0x20] + [UInt8](repeating: 1, count: 32)
            let (provider, newest) = (members[1], members[Self.size - 1])
            let stored = try await measured("provide") { try await provider.dht.provide(key) }
            #expect(stored.holders.count >= min(20, Self.size - 1) / 2, "\(stored.refusals)")
            let found = try await measured("find") { try await newest.dht.findProviders(of: key) }
            #expect(found.map(\.peer) == [provider.host.peerID])

            // Neither the provider, nor the one who asks, nor the way in.
            let gone = members[2..<(2 + Self.size * 3 / 10)]
            for member in gone { member.host.shutDown() }
            try await measured("refresh with \(gone.count) gone") { try await newest.dht.refresh() }
            let again = try await measured("find again") { try await newest.dht.findProviders(of: key) }
            #expect(again.map(\.peer) == [provider.host.peerID])
            print("\(Self.size) hosts over \(transport): \(figures.joined(separator: ", "))")

            for member in members { member.host.shutDown() }
            try await group.waitForAll()
        }
    }

    /// A duration in milliseconds, for people.
    private struct Milliseconds: CustomStringConvertible {
        let description: String

        init(_ duration: Duration) { self.description = "\(Int((duration / .milliseconds(1)).rounded()))" }
    }

    /// Numbers of the environment.
    private enum Surroundings {
        static func number(_ name: String) -> Int? {
            guard let text = ProcessInfo.processInfo.environment[name] else { return nil }
            return Int(text)
        }
    }
}
