import P2PVectors
import Testing

@testable import P2PIdentity

/// Project Wycheproof under the written policy of Specs/Identity.md, "Policy for acceptable results":
/// "valid" verifies, "invalid" does not, "acceptable" (one RSA signature a file whose digest lacks its NULL) does not either;
/// and the two signatures that only Bitcoin calls invalid, for their high s, verify, because the spec forbids neither value of s.
@Suite("Wycheproof signatures")
struct WycheproofTests {
    struct File: Sendable, CustomTestStringConvertible {
        var name: String
        var type: KeyType
        var count: Int
        var accepted: Int
        var highS: Set<Int> = []
        var testDescription: String { self.name }
    }

    private struct Content: Decodable {
        var testGroups: [Group]
    }

    private struct Group: Decodable {
        var publicKey: Key
        var publicKeyDer: String
        var tests: [Case]
    }

    private struct Key: Decodable {
        var pk: String?
        var uncompressed: String?
    }

    private struct Case: Decodable {
        var tcId: Int
        var msg: String
        var sig: String
        var result: String
    }

    static let files = [
        File(name: "ed25519_test", type: .ed25519, count: 151, accepted: 88),
        File(name: "ecdsa_secp256r1_sha256_test", type: .ecdsa, count: 484, accepted: 174),
        File(name: "ecdsa_secp256k1_sha256_test", type: .secp256k1, count: 476, accepted: 168),
        File(name: "ecdsa_secp256k1_sha256_bitcoin_test", type: .secp256k1, count: 463, accepted: 164, highS: [1, 388]),
        File(name: "rsa_signature_2048_sha256_test", type: .rsa, count: 259, accepted: 9),
        File(name: "rsa_signature_3072_sha256_test", type: .rsa, count: 259, accepted: 8),
        File(name: "rsa_signature_4096_sha256_test", type: .rsa, count: 258, accepted: 7),
        File(name: "rsa_signature_8192_sha256_test", type: .rsa, count: 258, accepted: 7),
    ]

    @Test(
        "Valid signatures verify; invalid and acceptable ones do not", .enabled(if: Vectors.exist("wycheproof"), "\(Vectors.areAbsent)"),
        arguments: files)
    func policy(file: File) throws {
        let content = try Vectors.json(Content.self, "wycheproof/\(file.name).json")
        var accepted = 0
        var count = 0
        var mismatches: [Int] = []
        for group in content.testGroups {
            let data = try Self.keyData(file.type, group)
            let key = try PublicKey(protobufEncoded: KeyMessage(type: file.type, data: data).encoded)
            for test in group.tests {
                let message = try #require(bytes(hex: test.msg))
                let isValid = key.isValidSignature(try #require(bytes(hex: test.sig)), for: message)
                count += 1
                accepted += isValid ? 1 : 0
                if isValid != (test.result == "valid" || file.highS.contains(test.tcId)) { mismatches.append(test.tcId) }
            }
        }
        #expect(mismatches == [])
        #expect(count == file.count)
        #expect(accepted == file.accepted)
    }

    /// The field Data of a group's key: the raw point, the DER, or the compressed point.
    private static func keyData(_ type: KeyType, _ group: Group) throws -> [UInt8] {
        switch type {
        case .ed25519:
            return try #require(group.publicKey.pk.flatMap(bytes(hex:)))
        case .rsa, .ecdsa:
            return try #require(bytes(hex: group.publicKeyDer))
        case .secp256k1:
            let point = try #require(group.publicKey.uncompressed.flatMap(bytes(hex:)))
            try #require(point.count == 65)
            return [2 | point[64] & 1] + point[1..<33]
        }
    }
}
