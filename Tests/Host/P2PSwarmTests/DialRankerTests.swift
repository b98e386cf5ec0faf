import NIOCore
import P2PMultiaddr
import P2PSwarm
import Testing

@Suite("Dial ranker")
struct DialRankerTests {
    private func rank(_ texts: String...) throws -> [(String, TimeAmount)] {
        DialRanker().rank(try texts.map { try Multiaddr($0) }).map { ($0.address.description, $0.delay) }
    }

    @Test("QUIC goes first, and TCP follows after 250 ms on the internet")
    func quicFirst() throws {
        let ranked = try self.rank("/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/udp/1/quic-v1")
        #expect(ranked.map(\.0) == ["/ip4/1.2.3.4/udp/1/quic-v1", "/ip4/1.2.3.4/tcp/1"])
        #expect(ranked.map(\.1) == [.zero, .milliseconds(250)])
    }

    @Test("In a private network TCP follows after 30 ms")
    func privateNetwork() throws {
        let ranked = try self.rank("/ip4/192.168.0.1/tcp/1", "/ip4/192.168.0.1/udp/1/quic-v1")
        #expect(ranked.map(\.1) == [.zero, .milliseconds(30)])
    }

    @Test("TCP alone need not wait")
    func tcpAlone() throws {
        #expect(try self.rank("/ip4/1.2.3.4/tcp/1").map(\.1) == [.zero])
    }

    @Test("IPv6 and IPv4 take turns, IPv6 first")
    func families() throws {
        let ranked = try self.rank("/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2", "/ip6/2a00::1/tcp/1")
        #expect(ranked.map(\.0) == ["/ip6/2a00::1/tcp/1", "/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2"])
        #expect(ranked.map(\.1) == [.zero, .milliseconds(250), .milliseconds(500)])
    }

    @Test("Relays follow after half a second, unless there is nothing else")
    func relays() throws {
        let relay = "/ip4/1.2.3.4/tcp/1/p2p/12D3KooWSDaiMbEoXtJaEVDA82BELfLkJsm8Vdkhw8YLjdFs8WfG/p2p-circuit"
        let ranked = try self.rank(relay, "/ip4/5.6.7.8/tcp/1")
        #expect(ranked.map(\.0) == ["/ip4/5.6.7.8/tcp/1", relay])
        #expect(ranked.map(\.1) == [.zero, .milliseconds(500)])
        #expect(try self.rank(relay).map(\.1) == [.zero])
    }

    @Test("Unknown transports come after a second, or after 100 ms in a private network")
    func others() throws {
        let ranked = try self.rank("/ip4/1.2.3.4/udp/1/utp", "/ip4/1.2.3.4/tcp/1", "/ip4/10.0.0.1/udp/1/utp", "/ip4/10.0.0.1/tcp/1")
        #expect(ranked.map(\.1) == [.zero, .zero, .milliseconds(100), .seconds(1)])
    }

    @Test("No address is lost or repeated")
    func permutation() throws {
        let addresses = try (1...200).map { try Multiaddr("/ip4/\($0 % 2 == 0 ? "10.0.0.1" : "1.2.3.4")/tcp/\($0)") }
        let ranked = DialRanker().rank(addresses)
        #expect(Set(ranked.map(\.address)) == Set(addresses))
        #expect(ranked.count == addresses.count)
        #expect(zip(ranked, ranked.dropFirst()).allSatisfy { $0.delay <= $1.delay })
    }
}
