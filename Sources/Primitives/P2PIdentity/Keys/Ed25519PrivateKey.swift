import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// An Ed25519 private key: the 32-byte seed followed by the public key (peer-ids spec, "Ed25519").
struct Ed25519PrivateKey: SigningKey {
    static let size = 64

    /// The form of old implementations, with the public key a second time at the end.
    static let legacySize = 96

    let encoded: [UInt8]
    let publicKey: Ed25519PublicKey
    var verifyingKey: any VerifyingKey { self.publicKey }
    private let key: Curve25519.Signing.PrivateKey

    /// Makes a new key.
    init() throws(IdentityError) {
        try self.init(Curve25519.Signing.PrivateKey())
    }

    /// Reads seed and public key, and checks that they belong together.
    init(encoded: [UInt8]) throws(IdentityError) {
        guard encoded.count == Self.size || encoded.count == Self.legacySize else {
            throw IdentityError(.malformedKey, "an Ed25519 private key of \(encoded.count) bytes instead of \(Self.size)")
        }
        let key: Curve25519.Signing.PrivateKey
        do {
            key = try Curve25519.Signing.PrivateKey(rawRepresentation: encoded[..<32])
        } catch {
            throw IdentityError(.malformedKey, "an Ed25519 seed that the crypto library refuses", cause: error)
        }
        try self.init(key)
        guard encoded[32..<64].elementsEqual(self.publicKey.encoded), encoded[64...].isEmpty || encoded[64...] == encoded[32..<64] else {
            throw IdentityError(.keyPairMismatch, "the public half of the Ed25519 private key does not follow from its seed")
        }
    }

    /// The key of a seed.
    init(seed: [UInt8]) throws(IdentityError) {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else {
            throw IdentityError(.malformedKey, "an Ed25519 seed of \(seed.count) bytes instead of 32")
        }
        try self.init(key)
    }

    private init(_ key: Curve25519.Signing.PrivateKey) throws(IdentityError) {
        self.key = key
        self.publicKey = try Ed25519PublicKey(encoded: Array(key.publicKey.rawRepresentation))
        self.encoded = Array(key.rawRepresentation) + self.publicKey.encoded
    }

    func signature(for message: [UInt8]) throws(IdentityError) -> [UInt8] {
        do {
            return Array(try self.key.signature(for: message))
        } catch {
            throw IdentityError(.signingFailed, "Ed25519 could not sign \(message.count) bytes", cause: error)
        }
    }
}
