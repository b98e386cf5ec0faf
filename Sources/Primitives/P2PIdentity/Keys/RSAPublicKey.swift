import Crypto
import CryptoExtras

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// An RSA public key as DER SubjectPublicKeyInfo (peer-ids spec, "RSA"; RFC 8017, A.1.1).
struct RSAPublicKey: VerifyingKey {
    /// What a modulus may measure, in bits: below is breakable, above costs the verifier too much.
    static let bits = 2048...8192

    let encoded: [UInt8]
    private let signatureSize: Int
    private let key: _RSA.Signing.PublicKey

    /// Reads the structure, and judges sizes before any arithmetic is done with them.
    init(encoded: [UInt8]) throws(IdentityError) {
        var outer = DERReader(encoded[...])
        var info = DERReader(try outer.element(.sequence))
        try outer.end()
        guard try info.element(.sequence).elementsEqual(Self.algorithm) else {
            throw IdentityError(.malformedKey, "an RSA public key whose algorithm is not rsaEncryption with NULL parameters")
        }
        var bitString = try info.element(.bitString)
        try info.end()
        guard bitString.popFirst() == 0 else {
            throw IdentityError(.malformedKey, "an RSA public key in a BIT STRING that is not whole bytes")
        }
        var inner = DERReader(bitString)
        var pair = DERReader(try inner.element(.sequence))
        try inner.end()
        let modulus = try pair.magnitude()
        let exponent = try pair.magnitude()
        try pair.end()
        try Self.check(modulus: modulus, exponent: exponent)
        do {
            self.key = try _RSA.Signing.PublicKey(n: modulus, e: exponent)
        } catch {
            throw IdentityError(.malformedKey, "an RSA public key that the crypto library refuses", cause: error)
        }
        self.signatureSize = modulus.count
        self.encoded = encoded
    }

    func isValidSignature(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        guard signature.count == self.signatureSize else { return false }
        return self.key.isValidSignature(
            _RSA.Signing.RSASignature(rawRepresentation: signature), for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
    }
}

extension RSAPublicKey {
    /// Refuses moduli and exponents that are outside what the network uses.
    ///
    /// The exponent is odd and fits 31 bits, as other implementations demand, so that a verification stays cheap.
    static func check(modulus: ArraySlice<UInt8>, exponent: ArraySlice<UInt8>) throws(IdentityError) {
        let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
        guard Self.bits.contains(bits) else {
            throw IdentityError(
                .keySizeOutOfRange, "an RSA key of \(bits) bits; \(Self.bits.lowerBound) to \(Self.bits.upperBound) are accepted")
        }
        guard let lowest = modulus.last, lowest & 1 == 1 else {
            throw IdentityError(.malformedKey, "an RSA key with an even modulus")
        }
        var value: UInt32 = 0
        for byte in exponent.prefix(4) { value = value << 8 | UInt32(byte) }
        guard exponent.count <= 4, value >= 3, value <= UInt32(Int32.max), value & 1 == 1 else {
            throw IdentityError(.malformedKey, "an RSA key whose public exponent is even, below 3 or above 2^31 - 1")
        }
    }

    /// rsaEncryption and NULL: the content of the AlgorithmIdentifier (RFC 3279, 2.3.1).
    private static let algorithm: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00]
}
