import P2PCertificate
import P2PCore
import P2PIdentity

/// Who this node is in its handshakes, and how it examines others. Made once per host.
struct QUICIdentity: Sendable {
    let peer: PeerID
    /// What stateless reset tokens are made of. It follows from the identity, so that a node that was started again can
    /// tell its peers that their connections are gone (RFC 9000, section 10.3.2).
    let resetSecret: [UInt8]

    /// What is signed for the secret; the signature itself never leaves the process.
    private static let resetContext = Array("libp2p-quic-stateless-reset:".utf8)

    /// - Throws: ``TransportError/Code/securityFailed`` when the identity does not sign.
    static func make(identity: any IdentityKey) async throws(TransportError) -> QUICIdentity {
        do throws(IdentityError) {
            return QUICIdentity(peer: PeerID(identity.publicKey), resetSecret: try await identity.sign(self.resetContext))
        } catch {
            throw TransportError(.securityFailed, "this identity does not sign", cause: error)
        }
    }

    /// Examines a peer's certificate.
    func examine(_ certificate: [UInt8], count: Int, expecting peer: PeerID?) throws(TransportError) -> CertifiedPeer {
        do throws(CertificateError) {
            return try CertifiedPeer.verify(chainDER: Array(repeating: certificate, count: min(count, 2)), expecting: peer)
        } catch {
            throw TransportError(error.transportCode, "the certificate of the peer was refused: \(error.message)", cause: error)
        }
    }
}
