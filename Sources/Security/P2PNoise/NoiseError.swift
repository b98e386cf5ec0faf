package import P2PCore

/// Why a Noise channel could not be made, or had to end.
///
/// Every one of them ends the connection: there is no way to go on after a record
/// that doesn't authenticate (Noise spec, section 5.1, "DecryptWithAd").
package typealias NoiseError = CodedFailure<NoiseSecurity>

extension NoiseError.Code {
    /// The connection ended in the middle of the handshake or of a record.
    package static var truncated: Self { Self("truncated") }
    /// A handshake message or record is too short to be one.
    package static var messageTooShort: Self { Self("messageTooShort") }
    /// Something of ours doesn't fit into a message of 65,535 bytes.
    package static var messageTooLong: Self { Self("messageTooLong") }
    /// A handshake message or record did not authenticate: forged, replayed, reordered or damaged.
    package static var authenticationFailed: Self { Self("authenticationFailed") }
    /// The peer's Diffie-Hellman key is a low-order point, which would make the secret a known one.
    package static var lowOrderKey: Self { Self("lowOrderKey") }
    /// The direction has used up its nonces; none may ever be used twice.
    package static var nonceExhausted: Self { Self("nonceExhausted") }
    /// The handshake payload isn't the protobuf message it should be, or lacks its key.
    package static var malformedPayload: Self { Self("malformedPayload") }
    /// The identity key in the handshake payload isn't a valid public key.
    package static var invalidIdentityKey: Self { Self("invalidIdentityKey") }
    /// The peer's static key isn't signed, or not by the identity key that it presents.
    package static var invalidSignature: Self { Self("invalidSignature") }
    /// Somebody answered, but not the peer that was expected.
    package static var peerMismatch: Self { Self("peerMismatch") }
    /// Our own identity key refused to sign.
    package static var signingFailed: Self { Self("signingFailed") }
    /// The app metadata, ours or the peer's, exceeds ``NoiseLimits/maximumMetadata``.
    package static var metadataTooLong: Self { Self("metadataTooLong") }
    /// The machine was asked for a step that isn't its turn: a mistake on our side.
    package static var outOfTurn: Self { Self("outOfTurn") }
    /// The crypto library failed for a reason of its own, such as memory.
    package static var libraryFailure: Self { Self("libraryFailure") }
    /// The channel was closed, or the handler removed, before the handshake was done.
    package static var closed: Self { Self("closed") }
}
