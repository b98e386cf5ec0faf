/// The public half of one algorithm, checked when it was made.
protocol VerifyingKey: Sendable {
    /// The field `Data` of the protobuf message `PublicKey`, in its one canonical form.
    var encoded: [UInt8] { get }

    /// Whether the signature is this key's, over this message.
    func isValidSignature(_ signature: [UInt8], for message: [UInt8]) -> Bool
}

/// The private half of one algorithm.
protocol SigningKey: Sendable {
    /// The field `Data` of the protobuf message `PrivateKey`.
    var encoded: [UInt8] { get }

    /// The public half.
    var verifyingKey: any VerifyingKey { get }

    /// Signs a message as the peer-ids spec prescribes for the algorithm.
    func signature(for message: [UInt8]) throws(IdentityError) -> [UInt8]
}
