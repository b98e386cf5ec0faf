import Crypto
import Foundation
import P2PIdentity
import Testing

@Suite("Key pairs")
struct KeyPairTests {
    @Test("A new key signs, verifies, and survives encoding", arguments: KeyType.allCases)
    func roundTrip(type: KeyType) async throws {
        let key = try PrivateKey.generate(type)
        let again = try PrivateKey(protobufEncoded: key.protobufEncoded)
        #expect(again.protobufEncoded == key.protobufEncoded)
        #expect(again.publicKey == key.publicKey)
        #expect(try PublicKey(protobufEncoded: key.publicKey.protobufEncoded) == key.publicKey)
        for message in [[], Array("one message".utf8), [UInt8](repeating: 7, count: 100_000)] {
            let signature = try await again.sign(message)
            #expect(key.publicKey.isValidSignature(signature, for: message))
            #expect(!key.publicKey.isValidSignature(signature, for: message + [0]))
        }
    }

    @Test("A signature holds for no other key, damaged, truncated or extended", arguments: KeyType.allCases)
    func damagedSignatures(type: KeyType) async throws {
        let key = try PrivateKey.generate(type)
        let message = Array("what was signed".utf8)
        let signature = try await key.sign(message)
        #expect(try !PrivateKey.generate(type).publicKey.isValidSignature(signature, for: message))
        var accepted = 0
        for index in signature.indices {
            var damaged = signature
            damaged[index] ^= 0x01
            accepted += key.publicKey.isValidSignature(damaged, for: message) ? 1 : 0
            accepted += key.publicKey.isValidSignature(Array(signature[..<index]), for: message) ? 1 : 0
        }
        accepted += key.publicKey.isValidSignature(signature + [0], for: message) ? 1 : 0
        #expect(accepted == 0)
    }

    @Test("Keys of at most 42 bytes are their own ids, the others are named by their SHA-256", arguments: KeyType.allCases)
    func ids(type: KeyType) throws {
        let key = try PrivateKey.generate(type).publicKey
        let isInlined = type == .ed25519 || type == .secp256k1
        let expected: [UInt8] =
            isInlined
            ? [0x00, UInt8(key.protobufEncoded.count)] + key.protobufEncoded : [0x12, 0x20] + SHA256.hash(data: key.protobufEncoded)
        #expect(PeerID(key).bytes == expected)
        #expect(key.description == "PublicKey(\(type), \(PeerID(key)))")
    }

    @Test("Two keys of a type differ", arguments: KeyType.allCases)
    func distinct(type: KeyType) throws {
        #expect(try PrivateKey.generate(type).publicKey != PrivateKey.generate(type).publicKey)
    }

    @Test("One secp256k1 key signs from many tasks at once, always with the lower s")
    func concurrentSigning() async throws {
        let key = try PrivateKey.generate(.secp256k1)
        let results = await withTaskGroup(of: (Bool, Bool).self) { group in
            for number in 0..<64 {
                group.addTask {
                    let message = Array("message \(number)".utf8)
                    guard let signature = try? await key.sign(message) else { return (false, false) }
                    let lengthOfR = Int(signature[3])
                    let s = signature[(6 + lengthOfR)...].drop { $0 == 0 }
                    return (key.publicKey.isValidSignature(signature, for: message), s.count < 32 || s.first.map { $0 <= 0x7F } == true)
                }
            }
            var results: [(Bool, Bool)] = []
            for await result in group { results.append(result) }
            return results
        }
        #expect(results.count == 64)
        #expect(results.allSatisfy { $0 && $1 })
    }

    @Test(
        "RSA keys are made in the sizes that are accepted, and in no other",
        arguments: [1024, 2047, 2049, 2050, 8193, 16384, -1, 0, Int.max, Int.min])
    func refusedSizes(bits: Int) {
        #expect(throws: IdentityError(.keySizeOutOfRange, "")) { try PrivateKey.generate(.rsa, rsaBits: bits) }
    }

    @Test("An RSA key of 3,072 bits has signatures of 384 bytes")
    func largerRSA() async throws {
        let key = try PrivateKey.generate(.rsa, rsaBits: 3072)
        let signature = try await key.sign([1, 2, 3])
        #expect(signature.count == 384)
        #expect(key.publicKey.isValidSignature(signature, for: [1, 2, 3]))
    }

    @Test("Printing, debugging and dumping a private key show its type alone", arguments: KeyType.allCases)
    func redacted(type: KeyType) throws {
        let key = try PrivateKey.generate(type)
        var dumped = ""
        dump(key, to: &dumped)
        #expect(String(describing: key) == "PrivateKey(\(type), redacted)")
        #expect(String(reflecting: key) == "PrivateKey(\(type), redacted)")
        #expect("\([key])" == "[PrivateKey(\(type), redacted)]")
        #expect(dumped == "- PrivateKey(\(type), redacted)\n" || dumped == "▿ PrivateKey(\(type), redacted)\n")
    }
}
