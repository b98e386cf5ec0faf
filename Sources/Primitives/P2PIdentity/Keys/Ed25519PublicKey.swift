import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// An Ed25519 public key: 32 bytes (RFC 8032, section 5.1.5).
struct Ed25519PublicKey: VerifyingKey {
    static let size = 32

    let encoded: [UInt8]
    private let key: Curve25519.Signing.PublicKey

    /// Checks and wraps the 32 bytes.
    ///
    /// Two kinds are refused that RFC 8032 lets pass or leaves open: points of small order, under which one signature fits many messages,
    /// and encodings whose coordinate is not reduced, which would give one point two ids.
    init(encoded: [UInt8]) throws(IdentityError) {
        guard encoded.count == Self.size else {
            throw IdentityError(.malformedKey, "an Ed25519 public key of \(encoded.count) bytes instead of \(Self.size)")
        }
        var coordinate = encoded
        coordinate[Self.size - 1] &= 0x7F
        guard Self.isReduced(coordinate) else {
            throw IdentityError(.nonCanonicalKey, "an Ed25519 public key whose coordinate is not below 2^255 - 19")
        }
        guard !Self.smallOrderCoordinates.contains(coordinate) else {
            throw IdentityError(.weakKey, "an Ed25519 public key of small order")
        }
        do {
            self.key = try Curve25519.Signing.PublicKey(rawRepresentation: encoded)
        } catch {
            throw IdentityError(.malformedKey, "an Ed25519 public key that the crypto library refuses", cause: error)
        }
        self.encoded = encoded
    }

    func isValidSignature(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        self.key.isValidSignature(signature, for: message)
    }
}

extension Ed25519PublicKey {
    /// Whether a little-endian number without its sign bit is below p = 2^255 - 19.
    private static func isReduced(_ coordinate: [UInt8]) -> Bool {
        coordinate[0] < 0xED || coordinate[31] != 0x7F || coordinate[1..<31].contains { $0 != 0xFF }
    }

    /// The y coordinates of the eight points whose order divides 8: 0, 1, -1, and the two of order 8 (each stands for two points).
    private static let smallOrderCoordinates: [[UInt8]] = [
        [UInt8](repeating: 0, count: 32),
        [1] + [UInt8](repeating: 0, count: 31),
        [0xEC] + [UInt8](repeating: 0xFF, count: 30) + [0x7F],
        [
            0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0,
            0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
        ],
        [
            0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F,
            0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
        ],
    ]
}
