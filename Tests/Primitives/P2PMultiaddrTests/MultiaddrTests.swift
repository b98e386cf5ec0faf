import Foundation
import P2PIdentity
import P2PMultiaddr
import P2PMultiformats
import P2PVectors
import Testing

@Suite("Multiaddr")
struct MultiaddrTests {
    /// A destination of 391 bytes in I2P's base64.
    static let garlic64 = "/garlic64/" + String(repeating: "jT~IyX-o", count: 65) + "AA=="

    @Test(
        "Text goes to bytes and back unchanged",
        arguments: [
            ("/ip4/127.0.0.1/tcp/4001", "047f00000106" + "0fa1"), ("/ip4/127.0.0.1/udp/1234", "047f000001910204d2"),
            ("/ip4/127.0.0.1/udp/0", "047f00000191020000"), ("/ip6/::1/tcp/65535", "290000000000000000000000000000000106ffff"),
            ("/ip6zone/x%y/ip6/fe80::1/udp/1234/quic-v1", nil), ("/ip4/1.2.3.4/ipcidr/24", "04010203042b18"),
            ("/ip6/2601:9:4f81:9700:803e:ca65:66e8:c21", "29260100094f819700803eca6566e80c21"),
            ("/onion/timaq4ygg2iegci7:1234/http", "bc039a18087306369043091f04d2e003"),
            ("/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234", nil),
            ("/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuq", nil),
            ("/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuqzwas", nil), (Self.garlic64, nil),
            ("/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSoooKC/tcp/1234", nil),
            ("/p2p/12D3KooWCryG7Mon9orvQxcS1rYZjotPgpwoJNHHKcLLfE4Hf5mV", nil),
            ("/unix/a/b/c/d/e", "90030a2f612f622f632f642f65"), ("/unix/stdio", nil), ("/unix//double//slash/", nil),
            ("/ip4/1.2.3.4/tcp/80/unix/a/b/c/d/e/f", nil), ("/dns/example.io/udp/65535", "350a6578616d706c652e696f9102ffff"),
            ("/dns4/example.com/tcp/443/tls/sni/example.com/http/http-path/foo%2Fbar%20baz", nil),
            ("/dnsaddr/sjc-1.bootstrap.libp2p.io", nil),
            ("/dns6/ünïcode.example/tcp/1", nil), ("/memory/test", nil), ("/memory/4", "890601" + "34"),
            ("/ip4/127.0.0.1/udp/9090/webrtc-direct/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjLa2R_RF71v86aVxlqdKNOQ", nil),
            ("/ip4/1.2.3.4/tcp/1/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSoooKC/p2p-circuit", nil),
            ("/ip4/127.0.0.1/tcp/127/wss", nil), ("/ip4/127.0.0.1/tcp/127/tls/ws", nil), ("/ip4/1.2.3.4/sctp/1/dccp/2/udt/utp", nil),
            ("/ip4/127.0.0.1/tcp/9090/http/p2p-webrtc-direct", nil), ("/ip4/127.0.0.1/udp/1/quic/webtransport/noise/p2p-stardust", nil),
            ("/p2p-websocket-star/p2p-webrtc-star/webrtc/https", nil),
        ] as [(String, String?)])
    func roundTrip(_ text: String, _ hex: String?) throws {
        let address = try Multiaddr(text)
        #expect(address.description == text)
        #expect(try Multiaddr(bytes: address.bytes) == address)
        #expect(try Multiaddr(address.components) == address)
        if let hex {
            #expect(Base16.encode(address.bytes) == hex)
        }
        let json = try JSONEncoder().encode([address])
        #expect(try JSONDecoder().decode([Multiaddr].self, from: json) == [address])
    }

    @Test("Random component sequences go to text and to bytes and back", arguments: 0..<40 as Range<UInt64>)
    func property(_ seed: UInt64) throws {
        var random = RandomComponents(seed: seed)
        for _ in 0..<50 {
            let components = try random.components()
            let address = try Multiaddr(components)
            #expect(address.components == components)
            #expect(try Multiaddr(bytes: address.bytes) == address)
            #expect(try Multiaddr(address.description) == address, "\(address)")
            for component in components where component.protocol.size != .none {
                #expect(try MultiaddrComponent(component.protocol, text: component.text) == component)
            }
        }
    }

    @Test("Bytes cut off or changed anywhere are refused, or are another address that comes back", arguments: 0..<20 as Range<UInt64>)
    func mutations(_ seed: UInt64) throws {
        var random = RandomComponents(seed: seed)
        for _ in 0..<20 {
            let bytes = try Multiaddr(random.components()).bytes
            for length in 0..<min(bytes.count, 120) {
                Self.expectStable(bytes: Array(bytes.prefix(length)))
            }
            for _ in 0..<100 {
                var changed = bytes
                changed[Int.random(in: changed.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                Self.expectStable(bytes: changed)
            }
        }
    }

    @Test("Text changed anywhere is refused, or is an address that comes back", arguments: 0..<10 as Range<UInt64>)
    func textMutations(_ seed: UInt64) throws {
        var random = RandomComponents(seed: seed)
        let characters = Array("/:.%-~=019azAZ\0\n é".utf8)
        for _ in 0..<20 {
            let text = Array(try Multiaddr(random.components()).description.utf8)
            for _ in 0..<40 {
                var changed = text
                let index = Int.random(in: changed.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: changed[index] = characters.randomElement(using: &random) ?? 0
                case 1: changed.insert(characters.randomElement(using: &random) ?? 0, at: index)
                default: changed.removeSubrange(index..<min(changed.count, index + Int.random(in: 1...4, using: &random)))
                }
                guard let address = try? Multiaddr(String(decoding: changed, as: UTF8.self)) else { continue }
                #expect(try Multiaddr(bytes: address.bytes) == address)
                #expect(try Multiaddr(address.description) == address)
            }
        }
    }

    static func expectStable(bytes: [UInt8]) {
        guard let address = try? Multiaddr(bytes: bytes) else { return }
        #expect(address.bytes == bytes)
        #expect((try? Multiaddr(address.description)) == address, "\(bytes)")
    }

    @Test("Go's fuzz seeds of bytes are refused or come back", .enabled(if: Vectors.exist("multiaddr"), "\(Vectors.areAbsent)"))
    func byteSeeds() throws {
        let seeds = try Vectors.fuzzSeeds("FuzzNewMultiaddrBytes")
        #expect(seeds.count == 12)
        for seed in seeds {
            Self.expectStable(bytes: seed)
        }
    }

    @Test("Go's fuzz seeds of text are refused or come back", .enabled(if: Vectors.exist("multiaddr"), "\(Vectors.areAbsent)"))
    func textSeeds() throws {
        let seeds = try Vectors.fuzzSeeds("FuzzNewMultiaddrString")
        #expect(seeds.count == 9)
        for seed in seeds {
            guard let address = try? Multiaddr(String(decoding: seed, as: UTF8.self)) else { continue }
            #expect(try Multiaddr(bytes: address.bytes) == address)
            #expect(try Multiaddr(address.description) == address)
        }
    }

    @Test("Other spellings become the canonical one")
    func canonical() throws {
        let id = "12D3KooWCryG7Mon9orvQxcS1rYZjotPgpwoJNHHKcLLfE4Hf5mV"
        #expect(try Multiaddr("/ipfs/\(id)").description == "/p2p/\(id)")
        #expect(try Multiaddr("/p2p/\(PeerID(string: id).cid)").description == "/p2p/\(id)")
        #expect(Multiaddr("/ip6/2001:DB8:0:0:0:0:0:1/tcp/1/").description == "/ip6/2001:db8::1/tcp/1")
        #expect(Multiaddr("/http-path/%61%2f+").description == "/http-path/a%2F%2B")
        #expect(Multiaddr("/onion/TIMAQ4YGG2IEGCI7:80").description == "/onion/timaq4ygg2iegci7:80")
        let hash = try Multihash(code: .sha2_256, digest: [UInt8](repeating: 7, count: 32))
        for base in Multibase.allCases where base != .base64 && base != .base64pad {
            #expect(try Multiaddr("/certhash/\(Multibase.encode(hash.bytes, as: base))").components == [.certhash(hash)])
        }
    }
}
