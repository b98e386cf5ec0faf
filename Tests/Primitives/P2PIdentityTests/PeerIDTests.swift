import Crypto
import Foundation
import P2PIdentity
import P2PMultiformats
import P2PVectors
import Testing

@Suite("Peer id")
struct PeerIDTests {
    struct Row: Decodable {
        var name: String
        var protobuf_hex: String
    }

    static let keys = "peerid/specs-peer-ids-key-vectors.json"

    /// The multihash that the specification prescribes for a key's protobuf.
    static func multihash(ofKey key: [UInt8]) throws -> Multihash {
        key.count <= PeerID.maxInlinedKeyLength
            ? try Multihash(code: .identity, digest: key) : try Multihash(code: .sha2_256, digest: Array(SHA256.hash(data: key)))
    }

    @Test(
        "The specification's public keys have one id, the same from bytes, base58btc and CID text",
        .enabled(if: Vectors.exist(keys), "\(Vectors.areAbsent)"))
    func specificationKeys() throws {
        let rows = try Vectors.json([Row].self, Self.keys).filter { $0.name.contains("public") }
        #expect(rows.count == 4)
        for row in rows {
            let key = try Base16.decode(row.protobuf_hex)
            let multihash = try Self.multihash(ofKey: key)
            let id = try PeerID(multihash: multihash)
            #expect(id.bytes == multihash.bytes)
            #expect(id.inlinedKey == (key.count <= 42 ? key : nil))
            #expect(try PeerID(bytes: multihash.bytes) == id)
            #expect(try PeerID(string: id.description) == id)
            #expect(try PeerID(string: id.cid) == id)
            #expect(id.description.hasPrefix(key.count <= 42 ? "1" : "Qm"), "\(row.name): \(id)")
            #expect(PeerID(id.description) == id)
            for base in Multibase.allCases {
                #expect(try PeerID(string: CID(codec: .libp2pKey, multihash: multihash).text(as: base)) == id)
            }
            let json = try JSONEncoder().encode([id])
            #expect(String(decoding: json, as: UTF8.self) == "[\"\(id)\"]")
            #expect(try JSONDecoder().decode([PeerID].self, from: json) == [id])
        }
    }

    @Test("The examples of the specification's text read as each other")
    func specificationText() throws {
        let base58 = try PeerID(string: "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
        #expect(try PeerID(string: "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe") == base58)
        #expect(base58.cid == "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe")
        #expect(base58.description == "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
        let ed25519 = try PeerID(string: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
        #expect(ed25519.description == "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
        #expect(ed25519.inlinedKey?.prefix(4) == [0x08, 0x01, 0x12, 0x20])
    }

    @Test("An inlined key of 42 bytes is an id, one of 43 or of none is not")
    func inlinedLimits() throws {
        let longest = try Multihash(code: .identity, digest: [UInt8](repeating: 0xff, count: 42))
        let id = try PeerID(multihash: longest)
        #expect(try PeerID(bytes: longest.bytes) == id)
        #expect(try PeerID(string: id.description) == id)
        #expect(try PeerID(string: CID(codec: .libp2pKey, multihash: longest).text(as: .base2)) == id)

        let tooLong = try Multihash(code: .identity, digest: [UInt8](repeating: 0xff, count: 43))
        #expect(throws: PeerIDError(.invalidLength, "")) { try PeerID(multihash: tooLong) }
        #expect(throws: PeerIDError(.tooLong, "")) { try PeerID(bytes: tooLong.bytes) }
        #expect(throws: PeerIDError(.tooLong, "")) { try PeerID(string: Base58BTC.encode(tooLong.bytes)) }
        #expect(throws: PeerIDError(.invalidLength, "")) { try PeerID(bytes: [0x00, 0x00]) }
    }

    @Test("Other hashes, other digest lengths and other codecs are refused")
    func otherForms() throws {
        let digest = [UInt8](repeating: 1, count: 32)
        #expect(throws: PeerIDError(.unsupportedHash, "")) { try PeerID(multihash: Multihash(code: .sha2_512, digest: digest)) }
        #expect(throws: PeerIDError(.unsupportedHash, "")) { try PeerID(bytes: [0x11, 0x02, 1, 1]) }
        #expect(throws: PeerIDError(.invalidLength, "")) { try PeerID(bytes: [0x12, 0x1f] + digest.dropLast()) }
        #expect(throws: PeerIDError(.malformed, "")) { try PeerID(bytes: [0x12, 0x20] + digest.dropLast()) }
        #expect(throws: PeerIDError(.malformed, "")) { try PeerID(bytes: [0x12, 0x20] + digest + [0]) }
        #expect(throws: PeerIDError(.malformed, "")) { try PeerID(bytes: [0x92, 0x00, 0x20] + digest) }
        #expect(throws: PeerIDError(.malformed, "")) { try PeerID(bytes: [] as [UInt8]) }
        let raw = try CID(codec: .raw, multihash: Multihash(code: .sha2_256, digest: digest))
        #expect(throws: PeerIDError(.notAKey, "")) { try PeerID(string: raw.description) }
    }

    @Test(
        "Text that is no peer id is refused",
        arguments: ["", "1", "Qm", "Qm0OIl", "12D3KooW", "z", "hello", "bafz", "Qm11ps1111111111111111111111111111111", "Q\u{0}m", "🚀"])
    func badText(_ text: String) {
        #expect(PeerID(text) == nil)
    }

    @Test("A very long text is refused by its length alone", arguments: ["1", "Qm", "z", "k", "b", "9"])
    func longText(_ prefix: String) {
        #expect(throws: PeerIDError(.tooLong, "")) { try PeerID(string: prefix + String(repeating: "1", count: 1 << 20)) }
    }

    @Test("Ids order as their bytes do, and equal ids hash alike")
    func order() throws {
        var random = SystemRandomNumberGenerator()
        let ids = try (0..<64).map { index in
            try PeerID(
                multihash: Multihash(code: .identity, digest: (0..<(index % 42 + 1)).map { _ in .random(in: 0...1, using: &random) }))
        }
        for left in ids {
            for right in ids {
                #expect((left < right) == left.bytes.lexicographicallyPrecedes(right.bytes))
                #expect((left == right) == (left.bytes == right.bytes))
            }
        }
        #expect(Set(ids) == Set(try ids.map { try PeerID(bytes: $0.bytes) }))
    }
}
