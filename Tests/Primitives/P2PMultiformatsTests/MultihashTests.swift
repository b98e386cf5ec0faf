import Crypto
import Foundation
import P2PMultiformats
import P2PVectors
import Testing

@Suite("Multihash")
struct MultihashTests {
    static let codes: [String: Multicodec] = ["sha1": .sha1, "sha2-256": .sha2_256, "sha2-512": .sha2_512, "sha3": .sha3_512]

    /// The digest of `input` (the rows hash their hexadecimal text as it stands), where a library at hand computes it.
    static func digest(_ algorithm: String, of input: [UInt8]) -> [UInt8]? {
        switch algorithm {
        case "sha1": Array(Insecure.SHA1.hash(data: input))
        case "sha2-256": Array(SHA256.hash(data: input))
        case "sha2-512": Array(SHA512.hash(data: input))
        default: nil
        }
    }

    @Test("The spec's rows decode, encode and match the digests", .enabled(if: Vectors.exist("multihash"), "\(Vectors.areAbsent)"))
    func rows() throws {
        let lines = try Vectors.lines("multihash/test_cases.csv").dropFirst()
        #expect(lines.count == 260)
        for line in lines {
            let fields = line.split(separator: ",").map(String.init)
            let bytes = try Base16.decode(fields[3])
            let multihash = try Multihash(bytes: bytes)
            let bits = try #require(Int(fields[1]))
            #expect(multihash.digest.count == bits / 8)
            #expect(multihash.bytes == bytes)
            if let code = Self.codes[fields[0]], fields[0] != "sha3" {
                #expect(multihash.code == code)
            }
            if let digest = Self.digest(fields[0], of: Array(fields[2].utf8)) {
                #expect(try Multihash(code: multihash.code, digest: Array(digest.prefix(bits / 8))).bytes == bytes)
            }
        }
    }

    @Test("Identity carries its bytes as they are, none included")
    func identity() throws {
        #expect(try Multihash(code: .identity, digest: []).bytes == [0, 0])
        #expect(try Multihash(bytes: [0, 3, 1, 2, 3]).digest == [1, 2, 3])
        #expect(try Multihash(code: .identity, digest: [UInt8](repeating: 7, count: Multihash.maxDigestLength)).bytes.count == 131)
    }

    @Test(
        "Wrong lengths are refused",
        arguments: [
            ([], MultiformatsError.Code.truncated), ([0x12], .truncated), ([0x12, 0x20, 0x01], .truncated),
            ([0x00, 0x01, 0x01, 0x02], .trailingBytes), ([0x12, 0x00], .invalidLength),
            ([0x12, 0x21] + [UInt8](repeating: 1, count: 33), .tooLong),
            ([0x00, 0x81, 0x01] + [UInt8](repeating: 1, count: 129), .tooLong),
            ([0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], .tooLong),
            ([0x92, 0x00, 0x01, 0x01], .notCanonical),
        ] as [([UInt8], MultiformatsError.Code)])
    func wrongLengths(_ bytes: [UInt8], _ code: MultiformatsError.Code) {
        #expect(throws: MultiformatsError(code, "")) { try Multihash(bytes: bytes) }
    }

    @Test("A CID comes back from its bytes and from its text in every base")
    func cid() throws {
        let hash = try Multihash(code: .sha2_256, digest: Array(SHA256.hash(data: Array("swift".utf8))))
        let cid = try CID(codec: .libp2pKey, multihash: hash)
        #expect(cid.bytes.prefix(4) == [0x01, 0x72, 0x12, 0x20])
        #expect(try CID(bytes: cid.bytes) == cid)
        #expect(cid.description.hasPrefix("bafz"))
        for base in Multibase.allCases {
            #expect(try CID(cid.text(as: base)) == cid)
        }
        #expect(throws: MultiformatsError(.unsupported, "")) { try CID(bytes: [0x12, 0x20] + hash.digest) }
        #expect(throws: MultiformatsError(.truncated, "")) { try CID(bytes: [0x01, 0x72]) }
        #expect(throws: MultiformatsError(.trailingBytes, "")) { try CID(bytes: cid.bytes + [0]) }
    }
}
