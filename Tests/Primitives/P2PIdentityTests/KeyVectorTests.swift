import P2PIdentity
import P2PVectors
import Testing

@Suite("Keys of the peer-ids spec and of another implementation")
struct KeyVectorTests {
    private struct Row: Decodable {
        var name: String
        var protobuf_hex: String
    }

    private static let specKeys = "peerid/specs-peer-ids-key-vectors.json"
    private static let folder = "peerid/go-libp2p-test_data"

    @Test(
        "Every key of the spec decodes, encodes to the same bytes, and the private half yields the public one",
        .enabled(if: Vectors.exist(specKeys), "\(Vectors.areAbsent)"))
    func everyKey() throws {
        let rows = try Vectors.json([Row].self, Self.specKeys)
        #expect(rows.count == 8)
        let keys = try rows.map { try #require(bytes(hex: $0.protobuf_hex)) }
        let types: [KeyType] = [.ecdsa, .ed25519, .secp256k1, .rsa]
        for (index, type) in types.enumerated() {
            let privateKey = try PrivateKey(protobufEncoded: keys[2 * index])
            let publicKey = try PublicKey(protobufEncoded: keys[2 * index + 1])
            #expect(privateKey.type == type)
            #expect(publicKey.type == type)
            #expect(privateKey.protobufEncoded == keys[2 * index])
            #expect(publicKey.protobufEncoded == keys[2 * index + 1])
            #expect(privateKey.publicKey == publicKey)
        }
    }

    @Test(
        "Key files and signatures of another implementation are read and hold",
        .enabled(if: Vectors.exist(folder), "\(Vectors.areAbsent)"), arguments: [KeyType.rsa, .secp256k1, .ecdsa])
    func files(type: KeyType) throws {
        let encodedPrivate = try Vectors.bytes("\(Self.folder)/\(type.rawValue).priv")
        let encodedPublic = try Vectors.bytes("\(Self.folder)/\(type.rawValue).pub")
        let signature = try Vectors.bytes("\(Self.folder)/\(type.rawValue).sig")
        let message = Array("Libp2p is the _best_!".utf8)
        let privateKey = try PrivateKey(protobufEncoded: encodedPrivate)
        #expect(privateKey.protobufEncoded == encodedPrivate)
        #expect(privateKey.publicKey.protobufEncoded == encodedPublic)
        #expect(try PublicKey(protobufEncoded: encodedPublic).isValidSignature(signature, for: message))
        #expect(!privateKey.publicKey.isValidSignature(signature, for: message + [0]))
    }
}
