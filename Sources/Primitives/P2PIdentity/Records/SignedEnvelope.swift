import NIOCore
import P2PMultiformats
import P2PProtobuf

/// A payload together with the key that signed it and the signature (RFC 0002, "Signed Envelopes").
///
/// The signature covers a domain besides the payload, so that what was signed for one purpose proves nothing for another. The domain does
/// not travel: whoever opens an envelope must say what it is about.
public struct SignedEnvelope: Sendable, Hashable {
    /// The largest encoded envelope that is opened or sealed, in bytes.
    ///
    /// The records that travel in envelopes fit identify messages of 8 KiB.
    public static let maximumSize = 16 * 1024

    /// The key that signed.
    public let publicKey: PublicKey

    /// What kind of payload this is.
    public let payloadType: [UInt8]

    /// What was signed.
    public let payload: [UInt8]

    /// The signature over domain, payload type and payload.
    public let signature: [UInt8]

    /// Signs a payload.
    ///
    /// - Parameters:
    ///   - payload: What to sign.
    ///   - payloadType: What kind of payload it is; for a peer record `PeerRecord.payloadType`.
    ///   - domain: What the signature is about; never empty.
    ///   - key: The key of the peer that speaks.
    /// - Throws: `IdentityError` with code `.envelopeTooLarge` or `.malformedEnvelope`, or what the key throws.
    public static func seal(
        _ payload: [UInt8], payloadType: [UInt8], domain: String, with key: some IdentityKey
    ) async throws(IdentityError) -> SignedEnvelope {
        let covered = try Self.signedBytes(payload, payloadType: payloadType, domain: domain)
        let envelope = SignedEnvelope(
            publicKey: key.publicKey, payloadType: payloadType, payload: payload, signature: try await key.sign(covered))
        _ = try envelope.protobufEncoded()
        return envelope
    }

    /// Reads an envelope and checks its signature.
    ///
    /// - Parameters:
    ///   - bytes: The protobuf message `Envelope`; may come from a peer.
    ///   - payloadType: The only type that is accepted.
    ///   - domain: What the signature must be about.
    /// - Throws: `IdentityError` with code `.envelopeTooLarge`, `.malformedEnvelope`, `.wrongPayloadType` or `.invalidSignature`, or the codes of
    ///   `PublicKey.init(protobufEncoded:)`.
    public static func open(_ bytes: [UInt8], payloadType: [UInt8], domain: String) throws(IdentityError) -> SignedEnvelope {
        guard bytes.count <= Self.maximumSize else {
            throw IdentityError(.envelopeTooLarge, "an envelope of \(bytes.count) bytes; at most \(Self.maximumSize) are opened")
        }
        let wire = try Self.fields(of: bytes)
        guard wire.payloadType == payloadType else {
            throw IdentityError(.wrongPayloadType, "an envelope with another payload type than the one expected for \(domain)")
        }
        let envelope = SignedEnvelope(
            publicKey: try PublicKey(protobufEncoded: wire.publicKey), payloadType: payloadType, payload: wire.payload,
            signature: wire.signature)
        let covered = try Self.signedBytes(envelope.payload, payloadType: payloadType, domain: domain)
        guard envelope.publicKey.isValidSignature(envelope.signature, for: covered) else {
            throw IdentityError(
                .invalidSignature, "the signature of the envelope does not match its key, its payload or the domain \(domain)")
        }
        return envelope
    }

    /// The protobuf message `Envelope`.
    ///
    /// - Throws: `IdentityError` with code `.envelopeTooLarge`.
    public func protobufEncoded() throws(IdentityError) -> [UInt8] {
        var writer = ProtobufWriter()
        // As proto3 has it, what is empty is left out.
        for (number, bytes) in [(1, self.publicKey.protobufEncoded), (2, self.payloadType), (3, self.payload), (5, self.signature)]
        where !bytes.isEmpty {
            writer.write(number, bytes: bytes)
        }
        let bytes = writer.bytes
        guard bytes.count <= Self.maximumSize else {
            throw IdentityError(.envelopeTooLarge, "an envelope of \(bytes.count) bytes; at most \(Self.maximumSize) are sealed")
        }
        return bytes
    }

    /// The fields as they travel; the key is kept as bytes, so that its one canonical encoding is what gets checked.
    private struct Fields {
        var publicKey: [UInt8] = []
        var payloadType: [UInt8] = []
        var payload: [UInt8] = []
        var signature: [UInt8] = []
    }

    private static func fields(of bytes: [UInt8]) throws(IdentityError) -> Fields {
        var fields = Fields()
        var reader = ProtobufReader(ByteBuffer(bytes: bytes))
        do throws(ProtobufError) {
            while let field = try reader.next() {
                switch (field.number, field.value) {
                case (1, .bytes(let bytes)): fields.publicKey = Array(bytes.readableBytesView)
                case (2, .bytes(let bytes)): fields.payloadType = Array(bytes.readableBytesView)
                case (3, .bytes(let bytes)): fields.payload = Array(bytes.readableBytesView)
                case (5, .bytes(let bytes)): fields.signature = Array(bytes.readableBytesView)
                default: break
                }
            }
        } catch {
            throw IdentityError(.malformedEnvelope, "\(bytes.count) bytes that are not a signed envelope", cause: error)
        }
        return fields
    }

    /// What gets signed: domain, payload type and payload, each after its length as an unsigned varint.
    private static func signedBytes(_ payload: [UInt8], payloadType: [UInt8], domain: String) throws(IdentityError) -> [UInt8] {
        guard !domain.isEmpty, !payloadType.isEmpty else {
            throw IdentityError(.malformedEnvelope, "an envelope needs a domain and a payload type")
        }
        var bytes: [UInt8] = []
        for part in [Array(domain.utf8), payloadType, payload] {
            UnsignedVarint.append(UInt64(part.count), to: &bytes)
            bytes.append(contentsOf: part)
        }
        return bytes
    }
}
