import ArgumentParser
import P2PIdentity
import Testing

@testable import P2PTool

@Suite("Keys of the hash table, as people write them")
struct DHTKeyTests {
    private static let peer = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
    private static let digest: [UInt8] = [0x12, 0x20] + [UInt8](0..<32)

    @Test("They stand on the wire as the multihash of a CID or a peer's id, as a namespace and what is in it, or as they are")
    func keys() throws {
        let id = try #require(PeerID(Self.peer))
        let keys: [(String, [UInt8])] = [
            (Self.peer, id.bytes), (id.cid, id.bytes), ("/pk/\(Self.peer)", Array("/pk/".utf8) + id.bytes),
            ("/ipns/\(id.cid)", Array("/ipns/".utf8) + id.bytes), ("/text/a/b", Array("/text/a/b".utf8)), ("hex:00ff", [0, 0xff]),
            // A CID of version 1 of raw content, and one of version 0: of both the digest counts.
            ("bafkreiaaaebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4", Self.digest),
            ("/ipfs/bafkreiaaaebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4", Self.digest),
            ("QmNLei78zWmzUdbeRB3CiUfAizWUrbeeZh5K1rhAQKCh51", [0x12, 0x20] + [UInt8](repeating: 0, count: 32)),
        ]
        for (text, bytes) in keys { #expect(DHTKey(argument: text)?.bytes == bytes, "\(text)") }
        for text in [
            "", "hex:", "hex:0", "/", "/text", "/text/", "//x", "/pk/nobody", "nonsense", "/ipfs/nonsense", "/ipfs/hex:00",
            "/ipfs/\(Self.peer)/a",
        ] {
            #expect(DHTKey(argument: text) == nil, "\(text)")
        }
    }

    @Test("The key of a value has a namespace, and whoever writes another hears what a key may be")
    func forValues() throws {
        #expect(try DHTKey.parseForValue("/text/a").namespace == "text")
        #expect(throws: ValidationError.self) { try DHTKey.parseForValue(Self.peer) }
        let error = #expect(throws: ValidationError.self) { try DHTKey.parse("nonsense") }
        #expect(error?.message.contains(DHTKey.forms) == true)
    }

    @Test("A namespace is what stands between the first two slashes")
    func namespaces() {
        #expect(DHTKey(argument: "/text/a/b")?.namespace == "text")
        #expect(DHTKey(argument: "/pk/\(Self.peer)")?.namespace == "pk")
        #expect(DHTKey(argument: "hex:2f2f61")?.namespace == nil && DHTKey(argument: Self.peer)?.namespace == nil)
        #expect(DHTOptions.isChecked("pk") && DHTOptions.isChecked("ipns") && !DHTOptions.isChecked("text"))
    }
}
