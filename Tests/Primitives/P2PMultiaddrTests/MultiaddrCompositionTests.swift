import P2PIdentity
import P2PMultiaddr
import Testing

@Suite("Composing and matching multiaddrs")
struct MultiaddrCompositionTests {
    static let relay = "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSoooKC"
    static let peer = "12D3KooWCryG7Mon9orvQxcS1rYZjotPgpwoJNHHKcLLfE4Hf5mV"

    @Test("Appending and decapsulating undo each other")
    func encapsulation() throws {
        let tcp = Multiaddr("/ip4/1.2.3.4/tcp/80")
        let tunnel = Multiaddr("/tls/ws")
        let both = try tcp.appending(tunnel)
        #expect(both.description == "/ip4/1.2.3.4/tcp/80/tls/ws")
        #expect(both.decapsulating(tunnel) == tcp)
        #expect(both.decapsulating(.tls) == tcp)
        #expect(both.decapsulating(.tcp).description == "/ip4/1.2.3.4")
        #expect(both.decapsulating(.ip4) == .empty)
        #expect(both.decapsulating(.udp) == both)
        #expect(both.decapsulating(Multiaddr("/tls/wss")) == both)
        #expect(try tcp.appending(.ws).appending(.ws).decapsulating(.ws).description == "/ip4/1.2.3.4/tcp/80/ws")
        #expect(Multiaddr.empty.isEmpty)
        #expect(try Multiaddr.empty.appending(tcp) == tcp)
        #expect(Multiaddr("/unix/a").decapsulating(.unix) == .empty)
        #expect(throws: MultiaddrError(.afterPath, "")) { try Multiaddr("/unix/a").appending(.ws) }
    }

    @Test("The peer is the one at the far end, not the relay")
    func peers() throws {
        let peer = try PeerID(string: Self.peer)
        let direct = Multiaddr("/ip4/1.2.3.4/tcp/80")
        #expect(direct.peerID == nil)
        #expect(direct.withoutPeerID == direct)
        #expect(direct.withPeerID(peer).description == "/ip4/1.2.3.4/tcp/80/p2p/\(Self.peer)")
        #expect(direct.withPeerID(peer).withPeerID(peer) == direct.withPeerID(peer))
        #expect(direct.withPeerID(peer).peerID == peer)
        #expect(direct.withPeerID(peer).withoutPeerID == direct)

        let relayed = try Multiaddr("/ip4/1.2.3.4/tcp/80/p2p/\(Self.relay)/p2p-circuit")
        #expect(relayed.isRelayed)
        #expect(!direct.isRelayed)
        #expect(relayed.peerID == nil)
        #expect(relayed.withoutPeerID == relayed)
        #expect(relayed.withPeerID(peer).peerID == peer)
        #expect(relayed.withPeerID(peer).withoutPeerID == relayed)

        #expect(Multiaddr("/unix/a").withPeerID(peer).description == "/unix/a")
    }

    @Test("A TCP endpoint has a host, a port and what follows")
    func endpoints() throws {
        let ip4 = try #require(Multiaddr("/ip4/127.0.0.1/tcp/4001/ws").tcpEndpoint)
        #expect(ip4.host == .ip(.loopbackV4, zone: nil))
        #expect(ip4.port == 4001)
        #expect(ip4.remainder == [.ws])
        let zoned = try #require(Multiaddr("/ip6zone/eth0/ip6/fe80::1/tcp/1").tcpEndpoint)
        #expect(zoned.host == .ip(IPAddress(v6: 0xfe80 << 48, 1), zone: "eth0"))
        #expect(zoned.remainder.isEmpty)
        #expect(Multiaddr("/dns/a.example/tcp/1").tcpEndpoint?.host == .name("a.example", .any))
        #expect(Multiaddr("/dns4/a.example/tcp/1").tcpEndpoint?.host == .name("a.example", .ip4))
        #expect(Multiaddr("/dns6/a.example/tcp/1").tcpEndpoint?.host == .name("a.example", .ip6))
        #expect(Multiaddr("/ip4/127.0.0.1/udp/1/quic-v1").udpEndpoint?.remainder == [.quicV1])
        for text in [
            "/ip4/127.0.0.1/udp/1", "/dnsaddr/a.example/tcp/1", "/ip4/127.0.0.1", "/tcp/1", "/ip6zone/eth0/ip4/1.2.3.4/tcp/1",
            "/ip4/10.0.0.0/ipcidr/8/tcp/1", "/memory/x",
        ] {
            #expect(try Multiaddr(text).tcpEndpoint == nil, "\(text)")
        }
    }

    @Test("Builders make what the text says")
    func builders() throws {
        #expect(Multiaddr(ip: .loopbackV4, tcp: 80).description == "/ip4/127.0.0.1/tcp/80")
        #expect(Multiaddr(ip: .loopbackV6, udp: 443).description == "/ip6/::1/udp/443")
        #expect(try Multiaddr(memory: "a").description == "/memory/a")
        #expect(throws: MultiaddrError(.invalidValue, "")) { try Multiaddr(memory: "a/b") }
        #expect(throws: MultiaddrError(.missingValue, "")) { try Multiaddr(memory: "") }
        #expect(throws: MultiaddrError(.invalidValue, "")) { try MultiaddrComponent(.ws, value: [1]) }
        #expect(throws: MultiaddrError(.invalidValue, "")) { try MultiaddrComponent(.ws, text: "x") }
        #expect(throws: MultiaddrError(.invalidValue, "")) { try MultiaddrComponent(.tcp, value: [1]) }
        #expect(throws: MultiaddrError(.missingValue, "")) { try MultiaddrComponent(.dns, value: []) }
        #expect(MultiaddrComponent.tcp(4001).port == 4001)
        #expect(try MultiaddrComponent(.onion, text: "timaq4ygg2iegci7:1234").port == 1234)
        #expect(try MultiaddrComponent(.sni, text: "a.example").name == "a.example")
    }

    @Test("Reach follows from the IP address an address begins with")
    func reach() throws {
        #expect(Multiaddr("/ip4/127.9.9.9/tcp/1").isLoopback)
        #expect(Multiaddr("/ip6/::ffff:127.0.0.1/tcp/1").isLoopback)
        #expect(Multiaddr("/ip6zone/lo/ip6/::1/tcp/1").isLoopback)
        #expect(Multiaddr("/ip6zone/eth0/ip6/fe80::1/tcp/1").isLinkLocal)
        #expect(Multiaddr("/ip4/0.0.0.0/tcp/0").isUnspecified)
        #expect(Multiaddr("/ip4/192.168.1.1/tcp/0").isPrivate)
        #expect(Multiaddr("/ip4/8.8.8.8/tcp/0").isPublic)
        #expect(try !Multiaddr("/dns/localhost/tcp/0").isLoopback)
        #expect(Multiaddr("/dns/a.example/tcp/0").ipAddress == nil)
    }
}
