import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import Synchronization
import Testing

@testable import P2PBootstrap

@Suite("Known addresses as a source of peers", .timeLimit(.minutes(1)))
struct BootstrapTests {
    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("Addresses of one peer are one peer, in the order of the list")
    func grouping() throws {
        let (a, b) = (try self.peer(), try self.peer())
        let addresses = [1, 2, 3].map { Multiaddr(ip: .loopbackV4, tcp: $0) }
        let source = try BootstrapDiscovery([addresses[0].withPeerID(b), addresses[1].withPeerID(a), addresses[2].withPeerID(b)])
        #expect(source.peers.map(\.peer) == [b, a])
        #expect(source.peers.map(\.addresses) == [[addresses[0], addresses[2]], [addresses[1]]])
    }

    @Test("An address without a peer and a list without an end are refused")
    func refusals() throws {
        let address = Multiaddr(ip: .loopbackV4, tcp: 1)
        #expect(throws: TransportError(.invalidAddress, "")) { try BootstrapDiscovery([address]) }
        let many = [Multiaddr](repeating: address.withPeerID(try self.peer()), count: BootstrapDiscovery.addressLimit + 1)
        #expect(throws: TransportError(.resourceLimit, "")) { try BootstrapDiscovery(many) }
    }

    @Test("Peers are reported again and again until it is cancelled")
    func reporting() async throws {
        let source = try BootstrapDiscovery([Multiaddr(ip: .loopbackV4, tcp: 1).withPeerID(self.peer())], interval: .milliseconds(1))
        let host = try LoopbackPeer { $0.reset() }
        let running = Task { try await source.run(on: host) }
        var count = 0
        for await report in host.found {
            #expect(report == source.peers[0])
            count += 1
            if count == 3 { break }
        }
        running.cancel()
        try await running.value
    }
}
