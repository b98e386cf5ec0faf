import SwiftProtobuf

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

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
        let wire: WirePublicKey = try Self.decode(bytes)
        let message = try Self(wire.hasType ? wire.type : nil, wire.hasData ? wire.data : nil)
        try Self.requireCanonical(message.publicEncoding() == bytes)
        return message
    }

    /// Reads the message `PrivateKey`.
    static func privateKey(_ bytes: [UInt8]) throws(IdentityError) -> KeyMessage {
        guard bytes.count <= PrivateKey.maximumEncodedSize else {
            throw IdentityError(
                .keySizeOutOfRange, "a private key of \(bytes.count) bytes; at most \(PrivateKey.maximumEncodedSize) are read")
        }
        let wire: WirePrivateKey = try Self.decode(bytes)
        let message = try Self(wire.hasType ? wire.type : nil, wire.hasData ? wire.data : nil)
        try Self.requireCanonical(message.privateEncoding() == bytes)
        return message
    }

    /// The message `PublicKey`, fields in order, nothing else.
    func publicEncoding() throws(IdentityError) -> [UInt8] {
        var wire = WirePublicKey()
        wire.type = self.wireType
        wire.data = Data(self.data)
        return try Self.encode(wire)
    }

    /// The message `PrivateKey`, fields in order, nothing else.
    func privateEncoding() throws(IdentityError) -> [UInt8] {
        var wire = WirePrivateKey()
        wire.type = self.wireType
        wire.data = Data(self.data)
        return try Self.encode(wire)
    }
}

extension KeyMessage {
    private init(_ type: WireKeyType?, _ data: Data?) throws(IdentityError) {
        guard let type else {
            throw IdentityError(.unsupportedKeyType, "the key names no type, or none of rsa (0), ed25519 (1), secp256k1 (2) and ecdsa (3)")
        }
        guard let data else {
            throw IdentityError(.malformedKey, "the key message has no field Data")
        }
        self.type =
            switch type {
            case .rsa: .rsa
            case .ed25519: .ed25519
            case .secp256K1: .secp256k1
            case .ecdsa: .ecdsa
            }
        self.data = Array(data)
    }

    private var wireType: WireKeyType {
        switch self.type {
        case .rsa: .rsa
        case .ed25519: .ed25519
        case .secp256k1: .secp256K1
        case .ecdsa: .ecdsa
        }
    }

    private static func decode<Wire: Message>(_ bytes: [UInt8]) throws(IdentityError) -> Wire {
        do {
            return try Wire(serializedBytes: bytes, partial: true)
        } catch {
            throw IdentityError(.malformedKey, "\(bytes.count) bytes that are not a key message", cause: error)
        }
    }

    private static func encode(_ wire: some Message) throws(IdentityError) -> [UInt8] {
        do {
            return try wire.serializedBytes()
        } catch {
            throw IdentityError(.malformedKey, "the key message can't be encoded", cause: error)
        }
    }

    private static func requireCanonical(_ isSame: Bool) throws(IdentityError) {
        guard isSame else {
            throw IdentityError(
                .nonCanonicalKey, "the key message is not in its one canonical encoding: fields 1 and 2, once each, in order, nothing else")
        }
    }
}
