import CryptoExtras
import Foundation
import Testing

@testable import P2PIdentity

@Suite("Keys that are refused")
struct HostileKeyTests {
    private static func code(_ body: () throws -> Void) -> IdentityError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? IdentityError)?.code
        }
    }

    private static func publicCode(_ bytes: [UInt8]) -> IdentityError.Code? {
        Self.code { _ = try PublicKey(protobufEncoded: bytes) }
    }

    private static func privateCode(_ bytes: [UInt8]) -> IdentityError.Code? {
        Self.code { _ = try PrivateKey(protobufEncoded: bytes) }
    }

    private static func publicCode(_ type: KeyType, _ data: [UInt8]) -> IdentityError.Code? {
        Self.publicCode(KeyMessage(type: type, data: data).encoded)
    }

    private static func privateCode(_ type: KeyType, _ data: [UInt8]) -> IdentityError.Code? {
        Self.privateCode(KeyMessage(type: type, data: data).encoded)
    }

    @Test("Every truncated encoding is refused, and so is one with a byte more", arguments: KeyType.allCases)
    func truncated(type: KeyType) throws {
        let key = try PrivateKey.generate(type)
        let publicBytes = key.publicKey.protobufEncoded
        let privateBytes = key.protobufEncoded
        #expect(publicBytes.indices.filter { Self.publicCode(Array(publicBytes[..<$0])) == nil } == [])
        #expect(privateBytes.indices.filter { Self.privateCode(Array(privateBytes[..<$0])) == nil } == [])
        #expect((0...255).filter { Self.publicCode(publicBytes + [$0]) == nil } == [])
        #expect((0...255).filter { Self.privateCode(privateBytes + [$0]) == nil } == [])
    }

    @Test("One Ed25519 key has one encoding: no other order, repetition, unknown field or longer varint")
    func oneEncoding() throws {
        let canonical = try PrivateKey.generate(.ed25519).publicKey.protobufEncoded
        let type: [UInt8] = [0x08, 0x01]
        let data = Array(canonical[2...])
        #expect(type + data == canonical)
        #expect(Self.publicCode(canonical) == nil)
        let respelled: [[UInt8]] = [
            data + type,
            type + type + data,
            type + [0x08, 0x09] + data,
            [0x08, 0x00] + type + data,
            type + data + data,
            type + [0x12, 0x00] + data,
            type + data + [0x18, 0x01],
            [0x18, 0x01] + type + data,
            type + data + [0x9A, 0x01, 0x00],
            [0x08, 0x81, 0x00] + data,
            [0x08, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00] + data,
            [0x08, 0x81, 0x80, 0x80, 0x80, 0x10] + data,
            [0x88, 0x00, 0x01] + data,
            type + [0x12, 0xA0, 0x00] + data[2...],
            type + [0x92, 0x00, 0x20] + data[2...],
        ]
        for (index, bytes) in respelled.enumerated() {
            #expect(Self.publicCode(bytes) == .nonCanonicalKey, "respelling \(index)")
        }
        let broken: [([UInt8], IdentityError.Code)] = [
            ([], .unsupportedKeyType),
            (type, .malformedKey),
            (data, .unsupportedKeyType),
            ([0x08, 0x04] + data, .unsupportedKeyType),
            ([0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01] + data, .unsupportedKeyType),
            (type + [0x10, 0x20], .malformedKey),
            (type + [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], .malformedKey),
            ([UInt8](repeating: 0xFF, count: 64), .malformedKey),
            (type + data + [0x1B, 0x1C], .malformedKey),
            ([UInt8](repeating: 0, count: PublicKey.maximumEncodedSize + 1), .keySizeOutOfRange),
        ]
        for (index, (bytes, code)) in broken.enumerated() {
            #expect(Self.publicCode(bytes) == code, "broken \(index)")
        }
        #expect(Self.privateCode([UInt8](repeating: 0, count: PrivateKey.maximumEncodedSize + 1)) == .keySizeOutOfRange)
    }

    @Test("Ed25519 keys of small order are refused in each of their spellings")
    func smallOrder() throws {
        let coordinates = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        ]
        for coordinate in coordinates {
            for sign: UInt8 in [0x00, 0x80] {
                var point = try #require(bytes(hex: coordinate))
                point[31] |= sign
                #expect(Self.publicCode(.ed25519, point) == .weakKey)
            }
        }
    }

    @Test("Ed25519 keys whose coordinate is not reduced are refused, all 19 with either sign")
    func unreduced() throws {
        for lowest: UInt8 in 0xED...0xFF {
            for highest: UInt8 in [0x7F, 0xFF] {
                let point = [lowest] + [UInt8](repeating: 0xFF, count: 30) + [highest]
                #expect(Self.publicCode(.ed25519, point) == .nonCanonicalKey)
            }
        }
    }

    @Test("Ed25519 private keys: the old 96-byte form is read, and public halves that do not belong are refused")
    func ed25519Private() throws {
        let key = try PrivateKey.generate(.ed25519)
        let data = Array(key.protobufEncoded[4...])
        #expect(data.count == 64)
        let legacy = KeyMessage(type: .ed25519, data: data + data[32...]).encoded
        #expect(try PrivateKey(protobufEncoded: legacy).protobufEncoded == key.protobufEncoded)
        var other = data
        other[40] ^= 1
        #expect(Self.privateCode(.ed25519, other) == .keyPairMismatch)
        #expect(Self.privateCode(.ed25519, data + other[32...]) == .keyPairMismatch)
        #expect(Self.privateCode(.ed25519, Array(data[..<32])) == .malformedKey)
        #expect(Self.privateCode(.ed25519, data + [0]) == .malformedKey)
    }

    @Test("secp256k1 keys: only compressed points of the curve, only scalars below the order")
    func secp256k1() throws {
        let key = try PrivateKey.generate(.secp256k1)
        let point = Array(key.publicKey.protobufEncoded[4...])
        #expect(Self.publicCode(.secp256k1, point) == nil)
        for tag: UInt8 in [0x00, 0x01, 0x04, 0x05, 0x06, 0x07] {
            #expect(Self.publicCode(.secp256k1, [tag] + point[1...]) == .nonCanonicalKey)
        }
        #expect(Self.publicCode(.secp256k1, [0]) == .malformedKey)
        #expect(Self.publicCode(.secp256k1, [4] + [UInt8](repeating: 1, count: 64)) == .malformedKey)
        // x = p + 1, which reduces to 1, a coordinate of the curve.
        let unreduced = try #require(bytes(hex: "02fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30"))
        #expect(Self.publicCode(.secp256k1, unreduced) == .malformedKey)
        let reduced = [0x02] + [UInt8](repeating: 0, count: 31) + [1]
        #expect(Self.publicCode(.secp256k1, reduced) == nil)
        // x = 5 is no coordinate of the curve.
        #expect(Self.publicCode(.secp256k1, [0x02] + [UInt8](repeating: 0, count: 31) + [5]) == .malformedKey)
        let order = try #require(bytes(hex: "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"))
        #expect(Self.privateCode(.secp256k1, order) == .malformedKey)
        #expect(Self.privateCode(.secp256k1, order[..<31] + [0x40]) == nil)
        #expect(Self.privateCode(.secp256k1, [UInt8](repeating: 0, count: 32)) == .malformedKey)
        #expect(Self.privateCode(.secp256k1, [UInt8](repeating: 1, count: 33)) == .malformedKey)
    }

    @Test("ECDSA keys: no point off the curve, no compressed point, no other curve, no foreign public half")
    func ecdsa() throws {
        let key = try PrivateKey.generate(.ecdsa)
        let info = Array(key.publicKey.protobufEncoded[4...])
        #expect(info.count == 91)
        #expect(Self.publicCode(.ecdsa, info) == nil)
        #expect(Self.publicCode(.ecdsa, info[..<90] + [info[90] ^ 1]) == .malformedKey)
        #expect(Self.publicCode(.ecdsa, info[..<26] + [0x02] + info[27...]) == .nonCanonicalKey)
        #expect(Self.publicCode(.ecdsa, info[..<22] + [0x08] + info[23...]) == .nonCanonicalKey)
        #expect(Self.publicCode(.ecdsa, info[..<26] + [UInt8](repeating: 0, count: 65)) == .nonCanonicalKey)
        let data = Array(key.protobufEncoded[4...])
        #expect(data.count == 121)
        #expect(Self.privateCode(.ecdsa, data[..<120] + [data[120] ^ 1]) == .keyPairMismatch)
        #expect(Self.privateCode(.ecdsa, data[..<7] + [UInt8](repeating: 0, count: 32) + data[39...]) == .malformedKey)
        #expect(Self.privateCode(.ecdsa, data[..<7] + [UInt8](repeating: 0xFF, count: 32) + data[39...]) == .malformedKey)
        #expect(Self.privateCode(.ecdsa, [0x31] + data[1...]) == .nonCanonicalKey)
    }

    @Test(
        "RSA moduli below 2,048 and above 8,192 bits are refused by their size alone",
        arguments: [512, 1024, 2047, 8193, 8200, 12288, 16384])
    func rsaSizes(bits: Int) throws {
        let publicDER = RSASample.publicKey(modulus: RSASample.modulus(bits: bits))
        let privateDER = RSASample.privateKey(modulus: RSASample.modulus(bits: bits))
        #expect(Self.code { _ = try RSAPublicKey(encoded: publicDER) } == .keySizeOutOfRange)
        #expect(Self.code { _ = try RSAPrivateKey(encoded: privateDER) } == .keySizeOutOfRange)
        #expect(Self.publicCode(.rsa, publicDER) == .keySizeOutOfRange)
        #expect(Self.privateCode(.rsa, privateDER) == .keySizeOutOfRange)
    }

    @Test("RSA moduli of 2,048, 2,049 and 8,192 bits are read", arguments: [2048, 2049, 8192])
    func rsaSizesAtTheEdge(bits: Int) throws {
        #expect(Self.publicCode(.rsa, RSASample.publicKey(modulus: RSASample.modulus(bits: bits))) == nil)
    }

    @Test("RSA keys with an even modulus, or an exponent that is even, 1 or above 31 bits, are refused")
    func rsaNumbers() throws {
        let modulus = RSASample.modulus(bits: 2048)
        for exponent: [UInt8] in [[], [1], [2], [4], [1, 0, 0], [0x80, 0, 0, 1], [1, 0, 0, 0, 1], [UInt8](repeating: 0xFF, count: 256)] {
            #expect(Self.publicCode(.rsa, RSASample.publicKey(modulus: modulus, exponent: exponent)) == .malformedKey)
        }
        for exponent: [UInt8] in [[3], [0x7F, 0xFF, 0xFF, 0xFF]] {
            #expect(Self.publicCode(.rsa, RSASample.publicKey(modulus: modulus, exponent: exponent)) == nil)
        }
        #expect(Self.publicCode(.rsa, RSASample.publicKey(modulus: modulus[..<255] + [0xFE])) == .malformedKey)
        #expect(Self.privateCode(.rsa, RSASample.privateKey(modulus: modulus)) == .keyPairMismatch)
    }

    @Test("RSA keys have one DER: no long lengths, leading zeros, missing NULL or trailing bytes")
    func rsaDER() throws {
        let modulus = RSASample.modulus(bits: 2048)
        let e: [UInt8] = [0x02, 0x03, 0x01, 0x00, 0x01]
        let n: [UInt8] = [0x02, 0x82, 0x01, 0x01, 0x00] + modulus
        func info(_ pair: [UInt8], algorithm: [UInt8] = RSASample.algorithm, unused: UInt8 = 0) -> [UInt8] {
            RSASample.element(0x30, algorithm + RSASample.element(0x03, [unused] + pair))
        }
        let pair = RSASample.element(0x30, n + e)
        #expect(Self.publicCode(.rsa, info(pair)) == nil)
        let noNull: [UInt8] = [0x30, 0x0B] + RSASample.algorithm[2..<13]
        let longNull: [UInt8] = [0x30, 0x0E] + RSASample.algorithm[2..<13] + [0x05, 0x81, 0x00]
        let cases: [([UInt8], IdentityError.Code)] = [
            (info(pair) + [0], .nonCanonicalKey),
            (info(pair + [0]), .nonCanonicalKey),
            (info(RSASample.element(0x30, n + e + [0x05, 0x00])), .nonCanonicalKey),
            (info(RSASample.element(0x30, [0x02, 0x82, 0x01, 0x02, 0x00, 0x00] + modulus + e)), .nonCanonicalKey),
            (info(RSASample.element(0x30, [0x02, 0x82, 0x01, 0x00] + modulus + e)), .malformedKey),
            (info(RSASample.element(0x30, n + [0x02, 0x81, 0x03, 0x01, 0x00, 0x01])), .nonCanonicalKey),
            (info(RSASample.element(0x30, n + [0x02, 0x82, 0x00, 0x03, 0x01, 0x00, 0x01])), .nonCanonicalKey),
            (info(RSASample.element(0x30, n + [0x02, 0x83, 0x00, 0x00, 0x03, 0x01, 0x00, 0x01])), .malformedKey),
            (info(RSASample.element(0x30, n + [0x02, 0x80, 0x01, 0x00, 0x01, 0x00, 0x00])), .malformedKey),
            (info(RSASample.element(0x30, n + [0x02, 0x00])), .malformedKey),
            (info(RSASample.element(0x31, n + e)), .malformedKey),
            (info(pair, unused: 1), .malformedKey),
            (info(pair, algorithm: noNull), .malformedKey),
            (info(pair, algorithm: longNull), .malformedKey),
            (RSASample.element(0x30, n + e), .malformedKey),
        ]
        for (index, (der, code)) in cases.enumerated() {
            #expect(Self.publicCode(.rsa, der) == code, "case \(index)")
        }
    }

    @Test("Whatever single bit of an RSA key flips, what is still read is what the crypto library would write")
    func rsaBitFlips() throws {
        let der = Array(try PrivateKey.generate(.rsa).publicKey.protobufEncoded.dropFirst(5))
        var accepted = 0
        for index in der.indices {
            for bit in 0..<8 {
                var flipped = der
                flipped[index] ^= 1 << UInt8(bit)
                guard try Self.publicCode(.rsa, flipped) == nil else { continue }
                accepted += 1
                let written = try _RSA.Signing.PublicKey(derRepresentation: flipped).derRepresentation
                #expect(Array(written) == flipped, "byte \(index), bit \(bit)")
            }
        }
        #expect(accepted > 2000)
    }
}

/// RSA structures around numbers of any size, right or wrong.
enum RSASample {
    /// SEQUENCE { rsaEncryption, NULL }
    static let algorithm: [UInt8] = [0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00]

    /// An odd number of exactly that many bits.
    static func modulus(bits: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xFF, count: (bits + 7) / 8)
        bytes[0] = 0xFF >> UInt8(bytes.count * 8 - bits)
        return bytes
    }

    static func publicKey(modulus: [UInt8], exponent: [UInt8] = [1, 0, 1]) -> [UInt8] {
        let pair = Self.element(0x30, Self.integer(modulus) + Self.integer(exponent))
        return Self.element(0x30, Self.algorithm + Self.element(0x03, [0] + pair))
    }

    static func privateKey(modulus: [UInt8]) -> [UInt8] {
        let rest = (0..<6).flatMap { _ in Self.integer([3]) }
        return Self.element(0x30, Self.integer([]) + Self.integer(modulus) + Self.integer([1, 0, 1]) + rest)
    }

    static func integer(_ magnitude: [UInt8]) -> [UInt8] {
        let needsZero = magnitude.first.map { $0 & 0x80 != 0 } ?? true
        return Self.element(0x02, needsZero ? [0] + magnitude : magnitude)
    }

    static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let count = content.count
        if count < 0x80 { return [tag, UInt8(count)] + content }
        if count < 0x100 { return [tag, 0x81, UInt8(count)] + content }
        return [tag, 0x82, UInt8(count >> 8), UInt8(count & 0xFF)] + content
    }
}
