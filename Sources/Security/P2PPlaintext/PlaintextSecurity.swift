package import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PPipeline

/// No security at all: `/plaintext/2.0.0` tells each side who the other claims to be, and proves nothing.
///
/// Anybody on the way may read and change every byte, and pretend to be any peer. It exists to debug and to test against other
/// implementations; no preset offers it, and it must not stand beside secure channels, because then whoever is in the middle would choose it.
package struct PlaintextSecurity: SecureChannel {
    /// What multistream-select calls it.
    package static let protocolID: ProtocolID = "/plaintext/2.0.0"

    private let key: PublicKey

    /// What multistream-select calls it.
    package var protocolID: ProtocolID { Self.protocolID }

    /// - Parameter key: the public key of this host's identity; nothing is ever signed.
    package init(insecurelyClaiming key: PublicKey) {
        self.key = key
    }

    /// Adds the handler at the end of the channel's pipeline and exchanges keys; see ``SecureChannel``.
    ///
    /// The promise fails with `.peerMismatch`, `.closed` or `.securityFailed`; the cause says why. Muxers are not announced.
    package func secure(
        _ channel: any Channel, role: ConnectionRole, expecting peer: PeerID?, muxers: [ProtocolID],
        promise: EventLoopPromise<SecuredChannel>
    ) {
        let handler = PlaintextHandler(exchange: PlaintextExchange(key: self.key, expecting: peer), promise: promise)
        do {
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            // A handler that was never added has no other way to answer.
            promise.fail(TransportError(.closed, "plaintext: the channel takes no handler any more", cause: error))
        }
    }
}
