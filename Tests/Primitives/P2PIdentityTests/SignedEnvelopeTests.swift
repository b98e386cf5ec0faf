import P2PIdentity
import Testing

@Suite("Signed envelopes")
struct SignedEnvelopeTests {
    private static let type: [UInt8] = [0x42]
    private static let domain = "a-domain"
    private static let payload = Array("what is said".utf8)

    private static func open(_ bytes: [UInt8]) throws(IdentityError) -> SignedEnvelope {
        try SignedEnvelope.open(bytes, payloadType: self.type, domain: self.domain)
    }

    @Test("What one key seals opens with key, type and payload", arguments: KeyType.allCases)
    func roundTrip(type: KeyType) async throws {
        let key = try PrivateKey.generate(type)
        let sealed = try await SignedEnvelope.seal(Self.payload, payloadType: Self.type, domain: Self.domain, with: key)
        let opened = try Self.open(try sealed.protobufEncoded())
        #expect(opened == sealed)
        #expect(opened.publicKey == key.publicKey)
        #expect(opened.payload == Self.payload)
        #expect(opened.payloadType == Self.type)
    }

    @Test("The signature covers domain, type and payload, each after its length")
    func signedBytes() async throws {
        let key = try PrivateKey.generate(.ed25519)
        let payload = [UInt8](repeating: 5, count: 300)
        let sealed = try await SignedEnvelope.seal(payload, payloadType: [3, 1], domain: "libp2p-peer-record", with: key)
        let covered = [18] + Array("libp2p-peer-record".utf8) + [2, 3, 1] + [0xAC, 0x02] + payload
        #expect(key.publicKey.isValidSignature(sealed.signature, for: covered))
        let encoded = try sealed.protobufEncoded()
        let expected =
            [0x0A, 36] + key.publicKey.protobufEncoded + [0x12, 2, 3, 1] + [0x1A, 0xAC, 0x02] + payload + [0x2A, 64] + sealed.signature
        #expect(encoded == expected)
    }

    @Test("Another domain, another type, and a type that only differs in length are refused")
    func separation() async throws {
        let key = try PrivateKey.generate(.ed25519)
        let bytes = try await SignedEnvelope.seal(Self.payload, payloadType: Self.type, domain: Self.domain, with: key).protobufEncoded()
        #expect(throws: IdentityError(.invalidSignature, "")) {
            try SignedEnvelope.open(bytes, payloadType: Self.type, domain: "another-domain")
        }
        for type: [UInt8] in [[], [0x43], [0x42, 0x00]] {
            #expect(throws: IdentityError(.wrongPayloadType, "")) {
                try SignedEnvelope.open(bytes, payloadType: type, domain: Self.domain)
            }
        }
    }

    @Test("An envelope that names another key than the one that signed is refused")
    func otherKey() async throws {
        let signer = try PrivateKey.generate(.ed25519)
        let victim = try PrivateKey.generate(.ed25519)
        var bytes = try await SignedEnvelope.seal(Self.payload, payloadType: Self.type, domain: Self.domain, with: signer).protobufEncoded()
        bytes.replaceSubrange(2..<38, with: victim.publicKey.protobufEncoded)
        #expect(throws: IdentityError(.invalidSignature, "")) { try Self.open(bytes) }
    }

    @Test("No truncated envelope opens, and none with a flipped bit")
    func damaged() async throws {
        let key = try PrivateKey.generate(.ed25519)
        let bytes = try await SignedEnvelope.seal(Self.payload, payloadType: Self.type, domain: Self.domain, with: key).protobufEncoded()
        var opened: [Int] = []
        for index in bytes.indices {
            if (try? Self.open(Array(bytes[..<index]))) != nil { opened.append(index) }
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << UInt8(bit)
                if (try? Self.open(flipped)) != nil { opened.append(index) }
            }
        }
        #expect(opened == [])
    }

    @Test("Envelopes are bounded both ways, and need a domain and a type")
    func limits() async throws {
        let key = try PrivateKey.generate(.ed25519)
        #expect(throws: IdentityError(.envelopeTooLarge, "")) {
            try Self.open([UInt8](repeating: 0, count: SignedEnvelope.maximumSize + 1))
        }
        await #expect(throws: IdentityError(.envelopeTooLarge, "")) {
            try await SignedEnvelope.seal(
                [UInt8](repeating: 0, count: SignedEnvelope.maximumSize), payloadType: Self.type, domain: Self.domain, with: key)
        }
        await #expect(throws: IdentityError(.malformedEnvelope, "")) {
            try await SignedEnvelope.seal(Self.payload, payloadType: Self.type, domain: "", with: key)
        }
        await #expect(throws: IdentityError(.malformedEnvelope, "")) {
            try await SignedEnvelope.seal(Self.payload, payloadType: [], domain: Self.domain, with: key)
        }
        #expect(throws: IdentityError(.malformedEnvelope, "")) { try Self.open([0x0A, 0x05]) }
        #expect(throws: IdentityError(.wrongPayloadType, "")) { try Self.open([]) }
    }
}
