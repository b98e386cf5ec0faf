/// The signature algorithms that a libp2p identity may use (peer-ids spec, "Key Types").
///
/// The raw value is the number on the wire.
public enum KeyType: Int, Sendable, Hashable, CaseIterable {
    /// RSA of 2,048 to 8,192 bits; PKCS#1 v1.5 signatures over SHA-256.
    case rsa = 0
    /// Ed25519 (RFC 8032).
    case ed25519 = 1
    /// ECDSA over secp256k1 with SHA-256. Needs the package trait `OpenSSL`.
    case secp256k1 = 2
    /// ECDSA over P-256 with SHA-256.
    case ecdsa = 3
}

extension KeyType: CustomStringConvertible {
    /// The lower-case name that the command line uses.
    public var description: String {
        switch self {
        case .rsa: "rsa"
        case .ed25519: "ed25519"
        case .secp256k1: "secp256k1"
        case .ecdsa: "ecdsa"
        }
    }
}
