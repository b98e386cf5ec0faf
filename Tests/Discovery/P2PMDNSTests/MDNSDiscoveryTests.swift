import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PMDNS

/// Over real sockets, on the loopback interface alone.
@Suite("Local discovery over sockets", .timeLimit(.minutes(1)))
struct MDNSDiscoveryTests {
    @Test("The service's name is what it is told, else what the network gives")
    func service() throws {
        #expect(MDNSConfiguration().service == "_p2p")
        #expect(MDNSConfiguration(networkFingerprint: "abc").service == "_p2p-abc")
        #expect(MDNSConfiguration(networkFingerprint: "abc", serviceName: "_p2p").service == "_p2p")
    }

    private static let interface = MulticastInterface.all(named: [])?.first { $0.link.isLoopback && !$0.link.id.isIPv6 }

    private func discovery(_ peer: PeerID?, fingerprint: String) throws -> MDNSDiscovery {
        let name = try #require(Self.interface?.link.name)
        return MDNSDiscovery(
            peer: peer, configuration: MDNSConfiguration(interfaces: [name], networkFingerprint: fingerprint),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test("Two nodes on one machine find each other, a listener finds both, and a cancelled one ends", .enabled(if: Self.interface != nil))
    func meeting() async throws {
        // A service of the test's own: whatever else runs here is another network.
        let fingerprint = String(UInt64.random(in: .min ... .max), radix: 16)
        let peers = try [Network.peer(), Network.peer()]
        let (found, continuation) = AsyncStream.makeStream(of: (finder: Int, peer: DiscoveredPeer).self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, peer) in [peers[0], peers[1], nil].enumerated() {
                let discovery = try self.discovery(peer, fingerprint: fingerprint)
                group.addTask {
                    try await discovery.run(announcing: { [Multiaddr(ip: .loopbackV4, tcp: UInt16(index + 1))] }) {
                        continuation.yield((index, $0))
                    }
                }
            }
            var missing: Set<[Int]> = [[0, 1], [1, 0], [2, 0], [2, 1]]
            for await (finder, peer) in found {
                guard let index = peers.firstIndex(of: peer.peer) else { continue }
                #expect(peer.addresses == [Multiaddr(ip: .loopbackV4, tcp: UInt16(index + 1))])
                #expect(finder != index)
                missing.remove([finder, index])
                if missing.isEmpty { break }
            }
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    @Test("A fingerprint that is no part of a domain name is refused")
    func invalidFingerprint() async throws {
        let discovery = MDNSDiscovery(peer: nil, configuration: MDNSConfiguration(networkFingerprint: String(repeating: "f", count: 64)))
        await #expect(throws: DNSError.self) { try await discovery.run(announcing: { [] }, onPeer: { _ in }) }
    }
}
