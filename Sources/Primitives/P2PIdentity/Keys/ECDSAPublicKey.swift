import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A P-256 public key as DER SubjectPublicKeyInfo with an uncompressed point (peer-ids spec, "ECDSA").
///
/// All 91 bytes but the coordinates are fixed, so that comparing the start is parsing enough.
struct ECDSAPublicKey: VerifyingKey {
    let encoded: [UInt8]
    private let key: P256.Signing.PublicKey

    init(encoded: [UInt8]) throws(IdentityError) {
        guard encoded.count == Self.prefix.count + Self.pointSize else {
            throw IdentityError(
                .malformedKey, "an ECDSA public key of \(encoded.count) bytes instead of \(Self.prefix.count + Self.pointSize)")
        }
        guard encoded.starts(with: Self.prefix), encoded[Self.prefix.count] == 0x04 else {
            throw IdentityError(.nonCanonicalKey, "an ECDSA public key that is not the DER of an uncompressed P-256 point")
        }
        do {
            self.key = try P256.Signing.PublicKey(x963Representation: encoded[Self.prefix.count...])
        } catch {
            throw IdentityError(.malformedKey, "an ECDSA public key that is not on P-256", cause: error)
        }
        self.encoded = encoded
    }

    init(_ key: P256.Signing.PublicKey) {
        self.key = key
        self.encoded = Self.prefix + Array(key.x963Representation)
    }

    /// The uncompressed point: 04, x, y.
    var point: ArraySlice<UInt8> { self.encoded[Self.prefix.count...] }

    func isValidSignature(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        guard let parsed = try? P256.Signing.ECDSASignature(derRepresentation: signature) else { return false }
        return self.key.isValidSignature(parsed, for: message)
    }
}

extension ECDSAPublicKey {
    private static let pointSize = 65

    /// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of 65 bytes (RFC 5480).
    private static let prefix: [UInt8] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01,
        0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ]
}
