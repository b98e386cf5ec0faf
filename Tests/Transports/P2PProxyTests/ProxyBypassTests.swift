import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline
import P2PTCP
import Testing

@testable import P2PProxy

@Suite("What goes around a proxy")
struct ProxyBypassTests {
    private static let list = "localhost, .example.org,*.example.net 10.0.0.0/8,192.168.1.7:4001,[::1]:9,fd00::/9,deep.example.com:443"

    @Test(
        "What NO_PROXY may name",
        arguments: [
            ("/dns4/localhost/tcp/1", true), ("/dns/LOCALHOST/tcp/1", true), ("/dns/notlocalhost/tcp/1", false),
            ("/dns/example.org/tcp/1", true), ("/dns6/a.b.example.org/tcp/1", true), ("/dns/badexample.org/tcp/1", false),
            ("/dns/a.example.net/tcp/1", true), ("/dns/example.org.evil.test/tcp/1", false),
            ("/ip4/10.255.0.1/tcp/1", true), ("/ip4/11.0.0.1/tcp/1", false),
            ("/ip4/192.168.1.7/tcp/4001", true), ("/ip4/192.168.1.7/tcp/4002", false), ("/ip4/192.168.1.8/tcp/4001", false),
            ("/ip6/::1/tcp/9", true), ("/ip6/::1/tcp/8", false), ("/ip6/fd7f::1/tcp/1", true), ("/ip6/fd80::1/tcp/1", false),
            ("/ip6/::ffff:10.0.0.1/tcp/1", false), ("/dns/deep.example.com/tcp/443", true), ("/dns/deep.example.com/tcp/80", false),
        ])
    func entries(target: String, goesAround: Bool) throws {
        let target = try #require(ProxyTarget(try Multiaddr(target)))
        #expect(ProxyBypass(Self.list).contains(target) == goesAround)
        #expect(!ProxyBypass.none.contains(target))
        #expect(ProxyBypass("*").contains(target))
    }

    @Test(
        "Spellings that other programs take: dots at the ends, brackets, tabs and line ends, upper case",
        arguments: [
            ("..example.org.", "/dns/a.example.org/tcp/1"), ("example.org", "/dns/Example.ORG./tcp/1"),
            ("[fd00::]/8", "/ip6/fd01::1/tcp/1"),
            ("[::1]", "/ip6/::1/tcp/1"), ("a\t10.0.0.0/8\nb", "/ip4/10.1.1.1/tcp/1"), ("a, b ,EXAMPLE.ORG:80", "/dns/example.org/tcp/80"),
            ("10.0.0.1/32", "/ip4/10.0.0.1/tcp/1"), ("0.0.0.0/0", "/ip4/8.8.8.8/tcp/1"), ("x,*", "/dns/anything/tcp/1"),
        ])
    func spellings(list: String, target: String) throws {
        #expect(ProxyBypass(list).contains(try #require(ProxyTarget(try Multiaddr(target)))))
    }

    @Test("An address that no proxy can reach is excepted by its host and port, too")
    func datagrams() throws {
        let bypass = ProxyBypass("10.0.0.0/8,example.org:4001,fe80::/10")
        for (text, goesAround) in [
            ("/ip4/10.1.2.3/udp/4001/quic-v1", true), ("/ip4/11.1.2.3/udp/4001/quic-v1", false),
            ("/dns4/a.example.org/udp/4001/quic-v1", true), ("/dns4/a.example.org/udp/4002/quic-v1", false),
            ("/ip6zone/eth0/ip6/fe80::1/udp/1/quic-v1", true), ("/ip4/10.1.2.3/tcp/1/ws", true), ("/memory/10", false),
        ] {
            #expect(bypass.contains(try Multiaddr(text)) == goesAround, "\(text)")
        }
        #expect(ProxyBypass("a *").isEverything)
        #expect(!ProxyBypass("a,*.b").isEverything && !ProxyBypass.none.isEverything)
    }

    @Test(
        "What is no entry matches nothing",
        arguments: [
            "", ",, ,", "10.0.0.0/33", "a:99999", "a b\r\n:1", "http://10.0.0.1/", "[", ":", "*.", ".", "...", "10.0.0.0/+8", "10.0.0.1:+1",
            "10.0.0.0/",
        ])
    func nonsense(list: String) throws {
        for text in ["/ip4/10.0.0.1/tcp/1", "/dns/example.org/tcp/80"] {
            #expect(!ProxyBypass(list).contains(try #require(ProxyTarget(try Multiaddr(text)))))
        }
    }

    @Test("The environment's variable, in lower case first")
    func environment() throws {
        #expect(ProxyBypass.inEnvironment([:]) == .none)
        #expect(ProxyBypass.inEnvironment(["NO_PROXY": "a", "no_proxy": "b"]) == ProxyBypass("b"))
        #expect(ProxyBypass.inEnvironment(["NO_PROXY": "a", "no_proxy": ""]) == ProxyBypass("a"))
    }

    @Test("What is named is dialled directly, and the rest is not")
    func dialling() async throws {
        let listener = try await TCPTransport().bind(to: Multiaddr("/ip4/127.0.0.1/tcp/0"))
        let address = try #require(listener.addresses.first)
        let nowhere = ProxySetting(try ProxyURL("socks5://127.0.0.1:1"))
        let options = DialOptions(deadline: .now() + .seconds(10))
        let direct = try await ProxiedTransport(through: nowhere, over: TCPTransport(), except: ProxyBypass("127.0.0.0/8"))
            .connect(to: address, options: options)
        #expect(direct.remoteAddress == address)
        #expect(direct.preparations.isEmpty)
        try? await direct.channel.close()
        await #expect(throws: TransportError(.unreachable, "")) {
            try await ProxiedTransport(through: nowhere, over: TCPTransport(), except: ProxyBypass("10.0.0.0/8"))
                .connect(to: address, options: options)
        }
    }
}
