import Crypto
import CryptoExtras

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// An RSA private key as the DER structure RSAPrivateKey of PKCS#1 (RFC 8017, A.1.2).
struct RSAPrivateKey: SigningKey {
    let encoded: [UInt8]
    let publicKey: RSAPublicKey
    var verifyingKey: any VerifyingKey { self.publicKey }
    private let key: _RSA.Signing.PrivateKey

    /// Makes a new key with the public exponent 65,537.
    ///
    /// The crypto library makes sizes in steps of 128 bits and would round others down in silence.
    static func generate(bits: Int) throws(IdentityError) -> RSAPrivateKey {
        guard RSAPublicKey.bits.contains(bits), bits.isMultiple(of: 128) else {
            throw IdentityError(
                .keySizeOutOfRange,
                "can't make an RSA key of \(bits) bits: a multiple of 128 from \(RSAPublicKey.bits.lowerBound) to \(RSAPublicKey.bits.upperBound)"
            )
        }
        let der: [UInt8]
        do {
            der = Array(try _RSA.Signing.PrivateKey(keySize: .init(bitCount: bits)).derRepresentation)
        } catch {
            throw IdentityError(.keyGenerationFailed, "the crypto library could not make an RSA key of \(bits) bits", cause: error)
        }
        return try RSAPrivateKey(encoded: der)
    }

    /// Reads the structure, judges sizes first, and lets the crypto library check that the numbers belong together.
    init(encoded: [UInt8]) throws(IdentityError) {
        var outer = DERReader(encoded[...])
        var fields = DERReader(try outer.element(.sequence))
        try outer.end()
        guard try fields.magnitude().isEmpty else {
            throw IdentityError(.malformedKey, "an RSA private key of a version other than 0 (two primes)")
        }
        let modulus = try fields.magnitude()
        try RSAPublicKey.check(modulus: modulus, exponent: try fields.magnitude())
        for name in ["d", "p", "q", "dP", "dQ", "qInv"] {
            guard try fields.magnitude().count <= modulus.count else {
                throw IdentityError(.malformedKey, "an RSA private key whose \(name) is longer than its modulus")
            }
        }
        try fields.end()
        do {
            self.key = try _RSA.Signing.PrivateKey(derRepresentation: encoded)
        } catch {
            throw IdentityError(.keyPairMismatch, "an RSA private key whose numbers do not belong together", cause: error)
        }
        self.publicKey = try RSAPublicKey(encoded: Array(self.key.publicKey.derRepresentation))
        self.encoded = encoded
    }

    func signature(for message: [UInt8]) throws(IdentityError) -> [UInt8] {
        do {
            return Array(try self.key.signature(for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5).rawRepresentation)
        } catch {
            throw IdentityError(.signingFailed, "RSA could not sign \(message.count) bytes", cause: error)
        }
    }
}
