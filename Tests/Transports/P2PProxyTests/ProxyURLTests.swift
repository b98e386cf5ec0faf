import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline
import P2PTCP
import Testing

@testable import P2PProxy

@Suite("Proxy URLs")
struct ProxyURLTests {
    @Test(
        "What --proxy and the environment may say",
        arguments: [
            ("http://127.0.0.1:3128", ProxyURL.Kind.http, "/ip4/127.0.0.1/tcp/3128", nil, nil),
            ("HTTP://proxy.example/", .http, "/dns/proxy.example/tcp/8080", nil, nil),
            ("https://proxy.example", .https, "/dns/proxy.example/tcp/443", nil, nil),
            ("HTTPS://me:s%40cret@[::1]:3129/", .https, "/ip6/::1/tcp/3129", "me", "s@cret"),
            ("socks5://[::1]:9050", .socks5, "/ip6/::1/tcp/9050", nil, nil),
            ("socks5h://[::1]", .socks5, "/ip6/::1/tcp/1080", nil, nil),
            ("socks5://me:s%40cret@10.0.0.1", .socks5, "/ip4/10.0.0.1/tcp/1080", "me", "s@cret"),
            ("http://me@10.0.0.1", .http, "/ip4/10.0.0.1/tcp/8080", "me", ""),
            // As curl takes them, too.
            ("proxy.example:3128", .http, "/dns/proxy.example/tcp/3128", nil, nil), ("proxy", .http, "/dns/proxy/tcp/8080", nil, nil),
            ("me:s%3Acret@10.0.0.1:1", .http, "/ip4/10.0.0.1/tcp/1", "me", "s:cret"), ("[::1]:3128", .http, "/ip6/::1/tcp/3128", nil, nil),
            ("  http://10.0.0.1:3128/ \n", .http, "/ip4/10.0.0.1/tcp/3128", nil, nil),
            ("http://10.0.0.1:3128/a/path?and=more#still", .http, "/ip4/10.0.0.1/tcp/3128", nil, nil),
            ("http://10.0.0.1:", .http, "/ip4/10.0.0.1/tcp/8080", nil, nil), ("SOCKS5H://tor:9050", .socks5, "/dns/tor/tcp/9050", nil, nil),
            ("http://@10.0.0.1", .http, "/ip4/10.0.0.1/tcp/8080", nil, nil),
            ("http://:cret@10.0.0.1", .http, "/ip4/10.0.0.1/tcp/8080", "", "cret"),
            ("http://me:100%cret%zz%@10.0.0.1", .http, "/ip4/10.0.0.1/tcp/8080", "me", "100%cret%zz%"),
            ("http://DOMAIN\\me:c@cret@10.0.0.1", .http, "/ip4/10.0.0.1/tcp/8080", "DOMAIN\\me", "c@cret"),
            ("socks5://a%3Ab:cret@10.0.0.1", .socks5, "/ip4/10.0.0.1/tcp/1080", "a:b", "cret"),
            ("http://[fe80::1%25eth0]:3128", .http, "/ip6zone/eth0/ip6/fe80::1/tcp/3128", nil, nil),
            ("http://[fe80::1%eth0]", .http, "/ip6zone/eth0/ip6/fe80::1/tcp/8080", nil, nil),
        ] as [(String, ProxyURL.Kind, String, String?, String?)])
    func forms(text: String, kind: ProxyURL.Kind, address: String, user: String?, password: String?) throws {
        let proxy = try ProxyURL(text)
        #expect(proxy.kind == kind)
        #expect(proxy.address == (try Multiaddr(address)))
        #expect(proxy.credentials?.user == user)
        #expect(proxy.credentials?.password == password)
        #expect(!proxy.description.contains("cret"))
    }

    @Test(
        "What is no proxy is refused, without repeating a password",
        arguments: [
            "", "  ", "ftp://a:secret@b", "https://", "https://a%3Ab:secret@a", "socks4://me:secret@a", "http://", "http://:80",
            "http://a:0",
            "http://a:65536", "http://a:secret@", "http:///path", "http://a:+80", "http://a:80:90", "http://%ff:secret@a",
            "socks5://\(String(repeating: "u", count: 256)):secret@a", "http://a%3Ab:secret@a", "http://a:x:secret@[::1", "http://[::1",
            "http://a b", "http://pro%78y", "://secret@a",
        ])
    func refused(text: String) {
        let error = #expect(throws: TransportError(.invalidAddress, "")) { try ProxyURL(text) }
        #expect(error?.message.contains("secret") == false)
    }

    @Test("The environment's variables, in their order, lower case first, and HTTP_PROXY none of them")
    func environment() throws {
        func kind(_ environment: [String: String]) throws -> ProxyURL.Kind? { try ProxySetting.inEnvironment(environment)?.url().kind }
        #expect(try kind([:]) == nil)
        #expect(try kind(["ALL_PROXY": "", "http_proxy": " "]) == nil)
        #expect(try kind(["HTTPS_PROXY": "http://a", "ALL_PROXY": "socks5://b"]) == .socks5)
        #expect(try kind(["ALL_PROXY": "http://a", "all_proxy": "socks5://b"]) == .socks5)
        #expect(try kind(["HTTPS_PROXY": "http://a", "http_proxy": "socks5://b"]) == .http)
        #expect(try kind(["HTTPS_PROXY": "http://a", "https_proxy": "socks5://b"]) == .socks5)
        #expect(try kind(["http_proxy": "socks5://b"]) == .socks5)
        #expect(try kind(["HTTP_PROXY": "http://a"]) == nil)
        #expect(try kind(["HTTP_PROXY": "socks5://a", "http_proxy": "b:3128"]) == .http)
    }

    @Test(
        "A variable that makes no sense is read when a dial needs it; the error names it, and no password",
        arguments: ProxySetting.environmentNames)
    func oddVariable(name: String) throws {
        let setting = try #require(ProxySetting.inEnvironment([name: "gopher://me:secret@a"]))
        let error = #expect(throws: TransportError(.invalidAddress, "")) { try setting.url() }
        #expect(error?.message.contains(name) == true)
        #expect(error?.message.contains("secret") == false)
    }

    @Test("A dial around an odd proxy works, and one through it fails by itself")
    func oddDials() async throws {
        let listener = try await TCPTransport().bind(to: Multiaddr("/ip4/127.0.0.1/tcp/0"))
        let address = try #require(listener.addresses.first)
        let odd = try #require(ProxySetting.inEnvironment(["http_proxy": "gopher://a"]))
        let transport = ProxiedTransport(through: odd, over: TCPTransport(), except: ProxyBypass("127.0.0.1"))
        let options = DialOptions(deadline: .now() + .seconds(10))
        let direct = try await transport.connect(to: address, options: options)
        try? await direct.channel.close()
        let error = try await #require(throws: TransportError.self) {
            _ = try await transport.connect(to: Multiaddr("/ip4/127.0.0.2/tcp/1"), options: options)
        }
        #expect(error.code == .invalidAddress && error.message.contains("http_proxy"))
    }
}
