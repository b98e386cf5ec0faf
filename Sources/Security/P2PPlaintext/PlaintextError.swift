package import P2PCore

/// Why the two sides of a plaintext connection did not exchange their keys.
package typealias PlaintextError = CodedFailure<PlaintextSecurity>

extension PlaintextError.Code {
    /// The connection ended in the middle of the exchange.
    package static var truncated: Self { Self("truncated") }
    /// The peer's message is longer than ``PlaintextLimits/maximumMessage``.
    package static var messageTooLong: Self { Self("messageTooLong") }
    /// The length in front of the message, or the message, isn't what it should be.
    package static var malformed: Self { Self("malformed") }
    /// The key in the message isn't a valid public key.
    package static var invalidIdentityKey: Self { Self("invalidIdentityKey") }
    /// The id in the message isn't that of the key beside it.
    package static var inconsistentIdentity: Self { Self("inconsistentIdentity") }
    /// Somebody answered, but not the peer that was expected.
    package static var peerMismatch: Self { Self("peerMismatch") }
    /// The channel was closed, or the handler removed, before the exchange was done.
    package static var closed: Self { Self("closed") }
}
