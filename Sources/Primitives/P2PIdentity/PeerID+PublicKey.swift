import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension PeerID {
    /// The id of the peer that holds this key (peer-ids spec, "Peer Ids").
    ///
    /// Ed25519 and secp256k1 keys are short enough to be their own ids; RSA and ECDSA keys are named by their SHA-256.
    public init(_ key: PublicKey) {
        if key.protobufEncoded.count <= Self.maxInlinedKeyLength {
            self.init(inlining: key.protobufEncoded)
        } else {
            self.init(sha256: Array(SHA256.hash(data: key.protobufEncoded)))
        }
    }
}
