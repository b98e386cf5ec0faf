import Crypto
import P2PCore

/// An X25519 key pair, static or ephemeral (Noise spec, section 12.1).
package struct DiffieHellmanKey: Sendable {
    /// Bytes of a public key.
    static let publicKeyLength = 32

    private let key: Curve25519.KeyAgreement.PrivateKey
    /// The public half.
    package let publicKey: [UInt8]

    /// A fresh pair.
    package init() {
        self.init(Curve25519.KeyAgreement.PrivateKey())
    }

    /// The pair of a known private key; nil unless it has 32 bytes.
    package init?(privateKey: [UInt8]) {
        guard let key = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: privateKey) else { return nil }
        self.init(key)
    }

    private init(_ key: Curve25519.KeyAgreement.PrivateKey) {
        self.key = key
        self.publicKey = [UInt8](key.publicKey.rawRepresentation)
    }

    /// The secret shared with `publicKey`.
    ///
    /// An all-zero one comes of a low-order point and is known to everybody: it is refused.
    func agree(with publicKey: [UInt8]) throws(NoiseError) -> SymmetricKey {
        guard let peer = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: publicKey),
            let secret = try? self.key.sharedSecretFromKeyAgreement(with: peer)
        else { throw NoiseError(.lowOrderKey, "the peer's X25519 key gives no secret") }
        let combined = secret.withUnsafeBytes { bytes in bytes.reduce(0, |) }
        guard combined != 0 else { throw NoiseError(.lowOrderKey, "the peer's X25519 key is a low-order point") }
        return secret.withUnsafeBytes { bytes in SymmetricKey(data: bytes) }
    }
}
