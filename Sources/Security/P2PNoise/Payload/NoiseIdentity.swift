import P2PCore
import P2PIdentity

/// What a host presents in every Noise handshake: its static key, signed once by its identity.
package struct NoiseIdentity: Sendable {
    /// What stands before the static key in the signed bytes (libp2p noise spec, "Static Key Authentication").
    static let signaturePrefix = "noise-libp2p-static-key:"

    /// The Noise static key.
    let staticKey: DiffieHellmanKey
    /// The identity's public key as the protobuf message of the peer-ids spec.
    let publicKey: [UInt8]
    /// The identity's signature over prefix and static key.
    let signature: [UInt8]
    /// What the application attaches; at most ``NoiseLimits/maximumMetadata`` bytes.
    let metadata: [UInt8]

    /// Presents a static key that was signed elsewhere.
    package init(staticKey: DiffieHellmanKey, publicKey: [UInt8], signature: [UInt8], metadata: [UInt8]) {
        self.staticKey = staticKey
        self.publicKey = publicKey
        self.signature = signature
        self.metadata = metadata
    }

    /// Makes a static key and has it signed.
    static func make(identity: any IdentityKey, metadata: [UInt8]) async throws(NoiseError) -> NoiseIdentity {
        guard metadata.count <= NoiseLimits.maximumMetadata else {
            throw NoiseError(
                .metadataTooLong, "app metadata of \(metadata.count) bytes exceeds the limit of \(NoiseLimits.maximumMetadata)")
        }
        let staticKey = DiffieHellmanKey()
        do throws(IdentityError) {
            let signature = try await identity.sign(Self.signed(staticKey.publicKey))
            return NoiseIdentity(
                staticKey: staticKey, publicKey: identity.publicKey.protobufEncoded, signature: signature, metadata: metadata)
        } catch {
            throw NoiseError(.signingFailed, "the identity key did not sign the Noise static key", cause: error)
        }
    }

    /// The bytes that are signed for a static key.
    package static func signed(_ staticKey: [UInt8]) -> [UInt8] {
        Array(Self.signaturePrefix.utf8) + staticKey
    }
}
