import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PPolicy

@Suite("What a gate says of addresses")
struct PolicyPlacesTests {
    private static let alice = PolicyTests.alice

    private func text(_ answer: GateAnswer) -> String {
        switch answer {
        case .granted: "granted"
        case .refused(let reason): reason ?? "refused"
        }
    }

    @Test(
        "A dial is refused by the host that it leads to, however that is spelled, and what systems read differently is refused anyway",
        arguments: [
            // Rules, address, what it leads to, granted.
            ("", "/ip4/10.0.0.5/tcp/22", nil, true),
            ("deny peer-dial:*@10.0.0.0/8:*", "/ip4/10.0.0.5/tcp/22", nil, false),
            ("deny peer-dial:*@10.0.0.0/8:*", "/ip4/10.0.0.5/udp/22/quic-v1", nil, false),
            ("deny peer-dial:*@10.0.0.0/8:*", "/ip4/10.0.0.5/tcp/22/ws", nil, false),
            ("deny peer-dial:*@10.0.0.0/8:*", "/ip6/::ffff:10.0.0.5/tcp/22", nil, false),
            ("deny peer-dial:*@loopback:*", "/ip4/0.0.0.0/tcp/22", nil, false),
            ("deny peer-dial:*@loopback:*", "/ip6/::/tcp/22", nil, false),
            ("deny peer-dial:*@link-local:*", "/ip6zone/eth0/ip6/fe80::1/tcp/22", nil, false),
            ("deny peer-dial:*@10.0.0.0/8:*", "/dns4/10.0.0.5/tcp/22", nil, false),
            ("", "/dns4/2130706433/tcp/22", nil, false),
            ("", "/dns4/0177.0.0.1/tcp/22", nil, false),
            ("", "/dns/0x7f.1/tcp/22", nil, false),
            ("", "/dns/0x7f000001/tcp/22", nil, false),
            ("", "/dns/127.1/tcp/22", nil, false),
            ("", "/dns/127.0.0.1./tcp/22", nil, false),
            ("", "/dns6/::1/tcp/22", nil, false),
            ("", "/dns6/fe80::1%eth0/tcp/22", nil, false),
            ("", "/dns/exаmple.org/tcp/22", nil, false),
            ("", "/dns/a b/tcp/22", nil, false),
            ("deny peer-dial:*@evil.example:*", "/dns/EVIL.example./tcp/22", nil, false),
            ("deny peer-dial:*@evil.example:*", "/dns/good.example/tcp/22", "8.8.8.8", true),
            ("deny peer-dial:*@10.0.0.0/8:*", "/dns/good.example/tcp/22", "10.0.0.5", false),
            ("deny peer-dial:*@10.0.0.0/8:*", "/dns/good.example/tcp/22", "::ffff:10.0.0.5", false),
            ("deny peer-dial:*@loopback:*", "/dns/good.example/tcp/22", "0.0.0.0", false),
            // A name is granted for public addresses alone.
            ("allow peer-dial:*@good.example:*", "/dns/good.example/tcp/22", "8.8.8.8", true),
            ("allow peer-dial:*@good.example:*", "/dns/good.example/tcp/22", "127.0.0.1", false),
            ("allow peer-dial:*@good.example:*\nallow peer-dial:*@127.0.0.1:22", "/dns/good.example/tcp/22", "127.0.0.1", true),
            // The socket of a dial needs no grant, but a denial counts.
            ("deny tcp-connect:10.0.0.0/8:*", "/ip4/10.0.0.5/tcp/22", nil, false),
            ("deny tcp-connect:10.0.0.0/8:*", "/ip4/10.0.0.5/udp/22/quic-v1", nil, true),
            ("deny udp-connect:10.0.0.0/8:*", "/ip4/10.0.0.5/udp/22/quic-v1", nil, false),
            ("deny tcp-connect:10.0.0.0/8:*", "/dns/good.example/tcp/22", "10.0.0.5", false),
            // Lists are asked for by the peer alone.
            ("deny peer-dial:*@10.0.0.0/8:*", "/dnsaddr/a.example", nil, true),
            ("allow peer-dial:*@10.0.0.0/8:*", "/dnsaddr/a.example", nil, true),
            ("allow peer-dial:\(alice)@10.0.0.0/8:*", "/dnsaddr/a.example", nil, true),
            ("allow peer-dial:QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "/dnsaddr/a.example", nil, false),
            ("deny peer-dial:\(alice)", "/dnsaddr/a.example", nil, false),
        ] as [(String, String, String?, Bool)])
    func dials(rules: String, address: String, ip: String?, isGranted: Bool) async throws {
        let gate = PolicyGate(try Policy(rules))
        let peer = try PeerID(string: Self.alice)
        let address = try Multiaddr(address)
        var answer = await gate.mayDial(address, peer: peer)
        if let ip { answer = await gate.mayReach(try #require(IPAddress(ip)), namedBy: address, peer: peer) }
        #expect(answer.isGranted == isGranted, "\(self.text(answer))")
    }

    @Test("A port is listened on when a rule allows it, and the refusal says what is missing")
    func listening() async throws {
        let cases: [(String, String, String)] = [
            ("", "/ip4/0.0.0.0/tcp/4001", "permission denied: tcp-listen:0.0.0.0:4001 is not granted"),
            ("allow tcp-listen:4001", "/ip4/0.0.0.0/tcp/4001", "granted"),
            ("allow tcp-listen:4001", "/ip4/0.0.0.0/tcp/4001/ws", "granted"),
            ("allow tcp-listen:4001", "/ip4/0.0.0.0/udp/4001/quic-v1", "permission denied: udp-listen:0.0.0.0:4001 is not granted"),
            ("allow udp-listen:*", "/ip6/::/udp/0/quic-v1", "granted"),
            ("allow tcp-listen:4001", "/ip4/127.0.0.1/tcp/0", "permission denied: tcp-listen:127.0.0.1:0 is not granted"),
            ("allow tcp-listen:loopback:*", "/ip4/127.0.0.1/tcp/0", "granted"),
            (
                "allow tcp-listen:*\ndeny tcp-listen:4001", "/ip4/127.0.0.1/tcp/4001",
                "permission denied: tcp-listen:127.0.0.1:4001 is denied by \"deny tcp-listen:4001\" (policy line 2)"
            ),
            ("", "/memory/1", "granted"),
        ]
        for (rules, address, words) in cases {
            let gate = PolicyGate(try Policy(rules))
            #expect(self.text(await gate.mayListen(on: try Multiaddr(address))) == words)
        }
    }

    @Test("As many listeners as a rule allows, and again as many once they are closed")
    func listenersAtATime() async throws {
        let gate = PolicyGate(try Policy("allow tcp-listen:* max=1"))
        let (one, other): (Multiaddr, Multiaddr) = ("/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2")
        #expect(await gate.mayListen(on: one).isGranted)
        #expect(await gate.mayListen(on: one).isGranted)
        #expect(await !gate.mayListen(on: other).isGranted)
        gate.stoppedListening(on: one)
        #expect(await gate.mayListen(on: other).isGranted)
    }
}
