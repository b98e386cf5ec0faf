import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A P-256 private key as the DER structure ECPrivateKey with curve and public key (SEC 1, C.4; RFC 5915).
///
/// All 121 bytes but the scalar and the point are fixed.
struct ECDSAPrivateKey: SigningKey {
    let encoded: [UInt8]
    let publicKey: ECDSAPublicKey
    var verifyingKey: any VerifyingKey { self.publicKey }
    private let key: P256.Signing.PrivateKey

    /// Makes a new key.
    init() throws(IdentityError) {
        self.init(P256.Signing.PrivateKey())
    }

    init(encoded: [UInt8]) throws(IdentityError) {
        let scalarEnd = Self.beforeScalar.count + Self.scalarSize
        let pointStart = scalarEnd + Self.beforePoint.count
        guard encoded.count == pointStart + Self.pointSize else {
            throw IdentityError(.malformedKey, "an ECDSA private key of \(encoded.count) bytes instead of \(pointStart + Self.pointSize)")
        }
        guard encoded.starts(with: Self.beforeScalar), encoded[scalarEnd..<pointStart].elementsEqual(Self.beforePoint) else {
            throw IdentityError(.nonCanonicalKey, "an ECDSA private key that is not the DER of a P-256 ECPrivateKey with its public key")
        }
        do {
            self.init(try P256.Signing.PrivateKey(rawRepresentation: encoded[Self.beforeScalar.count..<scalarEnd]))
        } catch {
            throw IdentityError(.malformedKey, "an ECDSA private key whose scalar is out of range", cause: error)
        }
        guard encoded[pointStart...] == self.publicKey.point else {
            throw IdentityError(.keyPairMismatch, "the public half of the ECDSA private key does not follow from its scalar")
        }
    }

    private init(_ key: P256.Signing.PrivateKey) {
        self.key = key
        self.publicKey = ECDSAPublicKey(key.publicKey)
        self.encoded = Self.beforeScalar + Array(key.rawRepresentation) + Self.beforePoint + self.publicKey.point
    }

    func signature(for message: [UInt8]) throws(IdentityError) -> [UInt8] {
        do {
            return Array(try self.key.signature(for: message).derRepresentation)
        } catch {
            throw IdentityError(.signingFailed, "ECDSA could not sign \(message.count) bytes", cause: error)
        }
    }
}

extension ECDSAPrivateKey {
    private static let scalarSize = 32
    private static let pointSize = 65

    /// SEQUENCE { INTEGER 1, OCTET STRING of 32 bytes
    private static let beforeScalar: [UInt8] = [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20]

    /// [0] { prime256v1 }, [1] { BIT STRING of 65 bytes
    private static let beforePoint: [UInt8] = [
        0xA0, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0xA1, 0x44, 0x03, 0x42, 0x00,
    ]
}
