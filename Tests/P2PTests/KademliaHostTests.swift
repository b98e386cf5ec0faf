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
            var members = [first]
            group.addTask { try await first.host.run() }
            await first.host.waitUntilRunning()
            while members.count < Self.size {
                let member = try await Self.member(by: way, over: transport)
                group.addTask { try await member.host.run() }
                await member.host.waitUntilRunning()
                try await member.dht.waitForPeers(upTo: .seconds(60))
                members.append(member)
            }
            let clock = ContinuousClock()
            let key: [UInt8] = [0x12, 0x20] + [UInt8](repeating: 1, count: 32)
            var began = clock.now
            let stored = try await members[1].dht.provide(key)
            print("\(Self.size) hosts over \(transport): provided to \(stored.holders.count) in \(clock.now - began)")
            #expect(stored.holders.count >= min(20, Self.size - 1) / 2)
            began = clock.now
            let found = try await members[Self.size - 1].dht.findProviders(of: key)
            print("\(Self.size) hosts over \(transport): found in \(clock.now - began)")
            #expect(found.map(\.peer) == [members[1].host.peerID])

            // Neither the provider, nor the one who asks, nor the way in.
            let gone = members[2..<(2 + Self.size * 3 / 10)]
            for member in gone { member.host.shutDown() }
            let left = [members[0], members[1]] + members[(2 + Self.size * 3 / 10)...]
            try await left[left.count - 1].dht.refresh()
            began = clock.now
            let again = try await left[left.count - 1].dht.findProviders(of: key)
            print("\(Self.size) hosts over \(transport): found again, with \(gone.count) gone, in \(clock.now - began)")
            #expect(again.map(\.peer) == [members[1].host.peerID])

            for member in left { member.host.shutDown() }
            try await group.waitForAll()
        }
    }

    /// Numbers of the environment.
    private enum Surroundings {
        static func number(_ name: String) -> Int? {
            guard let text = ProcessInfo.processInfo.environment[name] else { return nil }
            return Int(text)
        }
    }
}
