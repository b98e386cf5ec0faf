/// An identity whose private half is kept in memory.
///
/// The key material is never part of a description, a debug description or a mirror; `protobufEncoded` is the one way out.
public struct PrivateKey: Sendable, IdentityKey {
    /// The largest encoding that is looked at, in bytes. RSA of 8,192 bits needs about 4,700.
    public static let maximumEncodedSize = 8192

    /// The public half.
    public let publicKey: PublicKey

    private let material: any SigningKey

    /// Makes a new key from the system's randomness.
    ///
    /// - Parameters:
    ///   - type: The signature algorithm.
    ///   - rsaBits: The size of an RSA modulus: a multiple of 128 from 2,048 to 8,192. Other types ignore it.
    /// - Throws: `IdentityError` with code `.keySizeOutOfRange`, `.keyGenerationFailed`, or `.algorithmNotBuilt` for secp256k1 without the
    ///   trait `OpenSSL`.
    public static func generate(_ type: KeyType, rsaBits: Int = 2048) throws(IdentityError) -> PrivateKey {
        switch type {
        case .rsa: try PrivateKey(type, RSAPrivateKey.generate(bits: rsaBits))
        case .ed25519: try PrivateKey(type, Ed25519PrivateKey())
        case .secp256k1: try PrivateKey(type, Secp256k1.generate())
        case .ecdsa: try PrivateKey(type, ECDSAPrivateKey())
        }
    }

    /// Reads a key from the protobuf message `PrivateKey` of the peer-ids spec, which is also the format of key files.
    ///
    /// Besides the canonical form, the older Ed25519 form of 96 bytes is read, whose public key stands there twice.
    ///
    /// - Parameter protobufEncoded: At most `maximumEncodedSize` bytes.
    /// - Throws: `IdentityError` with code `.malformedKey`, `.nonCanonicalKey`, `.unsupportedKeyType`, `.keySizeOutOfRange`, `.weakKey`,
    ///   `.keyPairMismatch`, or `.algorithmNotBuilt` for secp256k1 without the trait `OpenSSL`.
    public init(protobufEncoded: [UInt8]) throws(IdentityError) {
        let message = try KeyMessage.privateKey(protobufEncoded)
        switch message.type {
        case .rsa: try self.init(.rsa, RSAPrivateKey(encoded: message.data))
        case .ed25519: try self.init(.ed25519, Ed25519PrivateKey(encoded: message.data))
        case .secp256k1: try self.init(.secp256k1, Secp256k1.privateKey(encoded: message.data))
        case .ecdsa: try self.init(.ecdsa, ECDSAPrivateKey(encoded: message.data))
        }
    }

    /// The Ed25519 key of a seed of 32 bytes, for simulations that are to be repeated: whoever knows the seed knows the key.
    package init(ed25519Seed seed: [UInt8]) throws(IdentityError) {
        try self.init(.ed25519, Ed25519PrivateKey(seed: seed))
    }

    private init(_ type: KeyType, _ material: any SigningKey) throws(IdentityError) {
        self.material = material
        self.publicKey = try PublicKey(type, material.verifyingKey)
        self.protobufEncoded = KeyMessage(type: type, data: material.encoded).encoded
    }

    /// The canonical protobuf message `PrivateKey`: **secret**.
    public let protobufEncoded: [UInt8]

    /// The signature algorithm.
    public var type: KeyType { self.publicKey.type }

    /// Signs a message; RSA and both ECDSA types hash it with SHA-256 first.
    ///
    /// - Throws: `IdentityError` with code `.signingFailed`.
    public func sign(_ message: [UInt8]) async throws(IdentityError) -> [UInt8] {
        try self.material.signature(for: message)
    }
}

extension PrivateKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The type of the key and nothing of its substance.
    public var description: String { "PrivateKey(\(self.type), redacted)" }

    /// The same as `description`.
    public var debugDescription: String { self.description }

    /// A mirror without children, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:], displayStyle: .struct) }
}
