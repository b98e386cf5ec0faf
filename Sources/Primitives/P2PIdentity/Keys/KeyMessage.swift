import NIOCore
import P2PProtobuf

/// The two fields of a key message, read strictly.
///
/// What was decoded is encoded again and compared with what came in. That refuses unknown fields, repeated fields, fields in another order
/// and varints that are longer than need be, all of which would give one key several ids.
struct KeyMessage {
    var type: KeyType
    var data: [UInt8]

    /// Reads the message `PublicKey`.
    static func publicKey(_ bytes: [UInt8]) throws(IdentityError) -> KeyMessage {
        guard bytes.count <= PublicKey.maximumEncodedSize else {
            throw IdentityError(
                .keySizeOutOfRange, "a public key of \(bytes.count) bytes; at most \(PublicKey.maximumEncodedSize) are read")
        }
        return try Self(canonical: bytes)
    }

    /// Reads the message `PrivateKey`.
    static func privateKey(_ bytes: [UInt8]) throws(IdentityError) -> KeyMessage {
        guard bytes.count <= PrivateKey.maximumEncodedSize else {
            throw IdentityError(
                .keySizeOutOfRange, "a private key of \(bytes.count) bytes; at most \(PrivateKey.maximumEncodedSize) are read")
        }
        return try Self(canonical: bytes)
    }

    /// The message, fields in order, nothing else.
    var encoded: [UInt8] {
        var writer = ProtobufWriter(capacity: self.data.count + 16)
        writer.write(1, varint: UInt64(self.type.rawValue))
        writer.write(2, bytes: self.data)
        return writer.bytes
    }
}

extension KeyMessage {
    private init(canonical bytes: [UInt8]) throws(IdentityError) {
        var (type, data): (KeyType?, [UInt8]?)
        var reader = ProtobufReader(ByteBuffer(bytes: bytes))
        do throws(ProtobufError) {
            while let field = try reader.next() {
                switch (field.number, field.value) {
                // An enum is 32 bits of the number (protobuf, "Encoding").
                case (1, .varint(let number)): type = KeyType(rawValue: Int(Int32(truncatingIfNeeded: number))) ?? type
                case (2, .bytes): data = field.array
                default: break
                }
            }
        } catch {
            throw IdentityError(.malformedKey, "\(bytes.count) bytes that are not a key message", cause: error)
        }
        guard let type else {
            throw IdentityError(.unsupportedKeyType, "the key names no type, or none of rsa (0), ed25519 (1), secp256k1 (2) and ecdsa (3)")
        }
        guard let data else {
            throw IdentityError(.malformedKey, "the key message has no field Data")
        }
        self.init(type: type, data: data)
        guard self.encoded == bytes else {
            throw IdentityError(
                .nonCanonicalKey, "the key message is not in its one canonical encoding: fields 1 and 2, once each, in order, nothing else")
        }
    }
}
