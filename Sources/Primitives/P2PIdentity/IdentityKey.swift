/// Whatever can sign for a peer.
///
/// Signing is asynchronous, so that the key may live in a Secure Enclave, a TPM or an agent.
/// A host signs a handful of times in its life (its Noise static key, its certificate, its peer records), never once per handshake.
public protocol IdentityKey: Sendable {
    /// The public half, from which the peer id follows.
    var publicKey: PublicKey { get }

    /// Signs a message as the type of the key prescribes (peer-ids spec, "Key Types").
    ///
    /// - Parameter message: The whole message, not a digest of it.
    /// - Throws: `IdentityError` with code `.signingFailed`, or what the device that holds the key has to say.
    func sign(_ message: [UInt8]) async throws(IdentityError) -> [UInt8]
}
