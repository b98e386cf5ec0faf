/// The public half of an identity.
///
/// One key has exactly one encoding here, and so exactly one peer id: `init(protobufEncoded:)` refuses every other spelling of the same key
/// (peer-ids spec, "Keys": the encoding must be deterministic).
public struct PublicKey: Sendable {
    /// The largest encoding that is looked at, in bytes. RSA of 8,192 bits needs 1,070.
    public static let maximumEncodedSize = 2048

    /// The signature algorithm.
    public let type: KeyType

    /// The canonical protobuf message `PublicKey` of the peer-ids spec: what a peer id is made of.
    public let protobufEncoded: [UInt8]

    private let material: any VerifyingKey

    /// Reads a key from the canonical protobuf message `PublicKey`.
    ///
    /// - Parameter protobufEncoded: At most `maximumEncodedSize` bytes; they may come from a peer.
    /// - Throws: `IdentityError` with code `.malformedKey`, `.nonCanonicalKey`, `.unsupportedKeyType`, `.keySizeOutOfRange`, `.weakKey`, or
    ///   `.algorithmNotBuilt` for secp256k1 without the trait `OpenSSL`.
    public init(protobufEncoded: [UInt8]) throws(IdentityError) {
        let message = try KeyMessage.publicKey(protobufEncoded)
        self.type = message.type
        self.protobufEncoded = protobufEncoded
        switch message.type {
        case .rsa: self.material = try RSAPublicKey(encoded: message.data)
        case .ed25519: self.material = try Ed25519PublicKey(encoded: message.data)
        case .secp256k1: self.material = try Secp256k1.publicKey(encoded: message.data)
        case .ecdsa: self.material = try ECDSAPublicKey(encoded: message.data)
        }
    }

    /// Wraps a key that has already been checked.
    init(_ type: KeyType, _ material: any VerifyingKey) throws(IdentityError) {
        self.type = type
        self.material = material
        self.protobufEncoded = KeyMessage(type: type, data: material.encoded).encoded
    }

    /// Whether the signature was made by this key's private half over exactly this message.
    ///
    /// - Parameters:
    ///   - signature: As the key's type prescribes: 64 bytes for Ed25519, strict DER for the ECDSA types, as long as the modulus for RSA.
    ///   - message: The whole message, not a digest of it.
    public func isValidSignature(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        self.material.isValidSignature(signature, for: message)
    }
}

extension PublicKey: CustomStringConvertible {
    /// The type and the id of the peer that holds the key.
    public var description: String { "PublicKey(\(self.type), \(PeerID(self)))" }
}

extension PublicKey: Hashable {
    /// Equal when the canonical encodings are.
    public static func == (left: Self, right: Self) -> Bool {
        left.protobufEncoded == right.protobufEncoded
    }

    /// Hashes the canonical encoding.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.protobufEncoded)
    }
}
