package import P2PCore
package import P2PIdentity
import SwiftProtobuf

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

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
    package static func make(_ identity: NoiseIdentity, muxers: [ProtocolID]) throws(NoiseError) -> [UInt8] {
        var payload = WireNoiseHandshakePayload()
        payload.identityKey = Data(identity.publicKey)
        payload.identitySig = Data(identity.signature)
        if !muxers.isEmpty { payload.extensions.streamMuxers = muxers.prefix(NoiseLimits.maximumMuxers).map(\.name) }
        if !identity.metadata.isEmpty { payload.extensions.appMetadata = Data(identity.metadata) }
        do {
            return try payload.serializedBytes()
        } catch {
            throw NoiseError(.libraryFailure, "the handshake payload was not encoded", cause: error)
        }
    }

    /// Checks the other side's payload against the static key that it came with.
    ///
    /// - Parameter expected: who it must be; nil lets anybody.
    package static func verify(_ bytes: [UInt8], staticKey: [UInt8], expecting expected: PeerID?) throws(NoiseError) -> Verified {
        let payload: WireNoiseHandshakePayload
        do {
            payload = try WireNoiseHandshakePayload(serializedBytes: bytes)
        } catch {
            throw NoiseError(.malformedPayload, "the handshake payload of \(bytes.count) bytes isn't its protobuf message", cause: error)
        }
        guard payload.hasIdentityKey else {
            throw NoiseError(.malformedPayload, "the handshake payload carries no identity key")
        }
        let key: PublicKey
        do throws(IdentityError) {
            key = try PublicKey(protobufEncoded: Array(payload.identityKey))
        } catch {
            throw NoiseError(.invalidIdentityKey, "the identity key in the handshake payload is refused", cause: error)
        }
        guard payload.hasIdentitySig, !payload.identitySig.isEmpty else {
            throw NoiseError(.invalidSignature, "the handshake payload carries no signature")
        }
        let peer = PeerID(key)
        guard key.isValidSignature(Array(payload.identitySig), for: NoiseIdentity.signed(staticKey)) else {
            throw NoiseError(.invalidSignature, "the Noise static key isn't signed by the identity key of \(peer)")
        }
        if let expected, peer != expected {
            throw NoiseError(.peerMismatch, "expected the peer \(expected), but \(peer) answered")
        }
        return Verified(
            peer: peer, key: key, muxers: Self.muxers(payload.extensions), metadata: try Self.metadata(payload.extensions))
    }

    private static func muxers(_ extensions: WireNoiseExtensions) -> [ProtocolID] {
        guard extensions.streamMuxers.count <= NoiseLimits.maximumMuxers else { return [] }
        return extensions.streamMuxers.compactMap { ProtocolID(validating: $0) }
    }

    private static func metadata(_ extensions: WireNoiseExtensions) throws(NoiseError) -> [UInt8]? {
        guard extensions.hasAppMetadata else { return nil }
        let count = extensions.appMetadata.count
        guard count <= NoiseLimits.maximumMetadata else {
            throw NoiseError(
                .metadataTooLong, "the peer attached \(count) bytes of app metadata; at most \(NoiseLimits.maximumMetadata) are taken")
        }
        return Array(extensions.appMetadata)
    }
}
