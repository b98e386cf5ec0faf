import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PProxy

@Suite("Proxy URLs")
struct ProxyURLTests {
    @Test(
        "What --proxy and the environment may say",
        arguments: [
            ("http://127.0.0.1:3128", ProxyURL.Kind.http, "/ip4/127.0.0.1/tcp/3128", nil, nil),
            ("HTTP://proxy.example/", .http, "/dns/proxy.example/tcp/8080", nil, nil),
            ("socks5://[::1]:9050", .socks5, "/ip6/::1/tcp/9050", nil, nil),
            ("socks5h://[::1]", .socks5, "/ip6/::1/tcp/1080", nil, nil),
            ("socks5://me:s%40cret@10.0.0.1", .socks5, "/ip4/10.0.0.1/tcp/1080", "me", "s@cret"),
            ("http://me@10.0.0.1", .http, "/ip4/10.0.0.1/tcp/8080", "me", ""),
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
            "", "proxy", "ftp://a:secret@b", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:secret@", "http://%zz@a",
            "http://a/b", "http://a:+80", "http://%+5:secret@a", "socks5://\(String(repeating: "u", count: 256)):secret@a",
            "http://a:x:secret@[::1",
        ])
    func refused(text: String) {
        let error = #expect(throws: TransportError(.invalidAddress, "")) { try ProxyURL(text) }
        #expect(error?.message.contains("secret") == false)
    }

    @Test("The environment's variables, in their order")
    func environment() throws {
        #expect(try ProxyURL.inEnvironment([:]) == nil)
        #expect(try ProxyURL.inEnvironment(["ALL_PROXY": ""]) == nil)
        #expect(try ProxyURL.inEnvironment(["HTTPS_PROXY": "http://a", "ALL_PROXY": "socks5://b"])?.kind == .socks5)
        #expect(try ProxyURL.inEnvironment(["ALL_PROXY": "http://a", "all_proxy": "socks5://b"])?.kind == .socks5)
        #expect(try ProxyURL.inEnvironment(["HTTPS_PROXY": "http://a", "http_proxy": "socks5://b"])?.kind == .http)
        #expect(try ProxyURL.inEnvironment(["http_proxy": "socks5://b"])?.kind == .socks5)
        #expect(try ProxyURL.inEnvironment(["HTTP_PROXY": "http://a"]) == nil)
        #expect(throws: TransportError.self) { try ProxyURL.inEnvironment(["ALL_PROXY": "nonsense"]) }
    }
}
