package import P2PCore
package import P2PIdentity
import P2PProtobuf

/// The payload of the second and third handshake message (libp2p noise spec, "The libp2p Handshake Payload").
package enum NoisePayload {
    /// Who the other side proved to be, and what it said besides.
    package struct Verified {
        package var peer: PeerID
        package var key: PublicKey
        /// The muxers that it speaks, the preferred one first; empty when it named none, or more than fit.
        package var muxers: [ProtocolID]
        /// What its application attached; nil when nothing.
        package var metadata: [UInt8]?
    }

    /// This side's payload.
    package static func make(_ identity: NoiseIdentity, muxers: [ProtocolID]) -> [UInt8] {
        var payload = NoisePayloadMessage()
        payload.identityKey = identity.publicKey
        payload.identitySignature = identity.signature
        payload.muxers = muxers.prefix(NoiseLimits.maximumMuxers).map { Array($0.name.utf8) }
        if !identity.metadata.isEmpty { payload.metadata = identity.metadata }
        return payload.encoded
    }

    /// Checks the other side's payload against the static key that it came with.
    ///
    /// - Parameter expected: who it must be; nil lets anybody.
    package static func verify(_ bytes: [UInt8], staticKey: [UInt8], expecting expected: PeerID?) throws(NoiseError) -> Verified {
        let payload: NoisePayloadMessage
        do throws(ProtobufError) {
            payload = try NoisePayloadMessage(bytes)
        } catch {
            throw NoiseError(.malformedPayload, "the handshake payload of \(bytes.count) bytes isn't its protobuf message", cause: error)
        }
        guard let identityKey = payload.identityKey else {
            throw NoiseError(.malformedPayload, "the handshake payload carries no identity key")
        }
        let key: PublicKey
        do throws(IdentityError) {
            key = try PublicKey(protobufEncoded: identityKey)
        } catch {
            throw NoiseError(.invalidIdentityKey, "the identity key in the handshake payload is refused", cause: error)
        }
        guard let signature = payload.identitySignature, !signature.isEmpty else {
            throw NoiseError(.invalidSignature, "the handshake payload carries no signature")
        }
        let peer = PeerID(key)
        guard key.isValidSignature(signature, for: NoiseIdentity.signed(staticKey)) else {
            throw NoiseError(.invalidSignature, "the Noise static key isn't signed by the identity key of \(peer)")
        }
        if let expected, peer != expected {
            throw NoiseError(.peerMismatch, "expected the peer \(expected), but \(peer) answered")
        }
        return Verified(peer: peer, key: key, muxers: Self.muxers(payload), metadata: try Self.metadata(payload))
    }

    private static func muxers(_ payload: NoisePayloadMessage) -> [ProtocolID] {
        guard !payload.hasTooManyMuxers else { return [] }
        return payload.muxers.compactMap { String(validating: $0, as: UTF8.self).flatMap { ProtocolID(validating: $0) } }
    }

    private static func metadata(_ payload: NoisePayloadMessage) throws(NoiseError) -> [UInt8]? {
        guard let metadata = payload.metadata else { return nil }
        let count = metadata.count
        guard count <= NoiseLimits.maximumMetadata else {
            throw NoiseError(
                .metadataTooLong, "the peer attached \(count) bytes of app metadata; at most \(NoiseLimits.maximumMetadata) are taken")
        }
        return metadata
    }
}
