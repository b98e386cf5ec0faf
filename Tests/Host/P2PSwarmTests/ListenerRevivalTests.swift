import NIOCore
import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PSwarm

@Suite("Listeners that fail")
struct ListenerRevivalTests {
    @Test("An address is bound again after 100 ms, then after twice as long each time, up to 30 s; a minute of service counts")
    func pauses() {
        var (revival, now) = (ListenerRevival(), NIODeadline.uptimeNanoseconds(0))
        var pauses: [Duration] = []
        for _ in 0..<11 {
            let pause = revival.failed(at: now)
            pauses.append(pause)
            now = now.advanced(by: pause)
        }
        let doubled = (0..<9).map { Duration.milliseconds(100 << $0) }
        #expect(pauses == doubled + [.seconds(30), .seconds(30)])
        #expect(revival.failed(at: now + .seconds(61)) == .milliseconds(100))
    }

    @Test(
        "The port stays what it was",
        arguments: [
            ("/ip4/0.0.0.0/tcp/0", "/ip4/192.0.2.1/tcp/4001", "/ip4/0.0.0.0/tcp/4001"),
            ("/ip6/::/udp/0/quic-v1", "/ip6/2001:db8::1/udp/4001/quic-v1", "/ip6/::/udp/4001/quic-v1"),
            ("/ip4/127.0.0.1/tcp/0/ws", "/ip4/127.0.0.1/tcp/80/ws", "/ip4/127.0.0.1/tcp/80/ws"),
            ("/ip6zone/eth0/ip6/fe80::1/tcp/0", "/ip6zone/eth0/ip6/fe80::1/tcp/9", "/ip6zone/eth0/ip6/fe80::1/tcp/9"),
            ("/ip4/0.0.0.0/tcp/7", "/ip4/192.0.2.1/tcp/4001", "/ip4/0.0.0.0/tcp/7"), ("/memory/a", "/memory/b", "/memory/a"),
        ])
    func port(requested: String, bound: String, expected: String) throws {
        #expect(try Multiaddr(requested).withPort(of: Multiaddr(bound)) == Multiaddr(expected))
    }
}
