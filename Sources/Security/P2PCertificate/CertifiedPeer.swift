package import P2PCore
package import P2PIdentity
import SwiftASN1

/// Who a certificate proves its bearer to be, and what it says besides.
///
/// The proof is complete only together with the TLS handshake, in which the bearer signs with the certificate's key.
package struct CertifiedPeer: Sendable, Hashable {
    /// The peer.
    package let peer: PeerID
    /// Its host key.
    package let key: PublicKey
    /// What its application attached, at most ``CertificateLimits/maximumMetadata`` bytes; nil when nothing, or no OCTET STRING.
    package let metadata: [UInt8]?

    /// Judges what a peer presented (libp2p TLS spec, "Peer Authentication").
    ///
    /// Cheap reasons for refusal come first, the two signatures after them, the expected peer next. The dates are last: where they are the
    /// reason, nothing else stands against the peer, and it may as well be our own clock that is wrong.
    ///
    /// - Parameters:
    ///   - chainDER: the certificates in DER, as they came; there must be exactly one.
    ///   - expected: who it must be; nil lets anybody.
    ///   - now: what time it is.
    /// - Throws: a ``CertificateError`` for each reason to refuse.
    package static func verify(
        chainDER: [[UInt8]], expecting expected: PeerID?, now: WallTime = .now
    ) throws(CertificateError) -> CertifiedPeer {
        guard let der = chainDER.first, chainDER.count == 1 else {
            throw CertificateError(.wrongCount, "the peer presented \(chainDER.count) certificates instead of one")
        }
        let certificate = try X509Certificate(der: der)
        try Self.checkCriticalExtensions(certificate)
        let signedKey = try Self.signedKey(certificate)
        try SelfSignature.verify(certificate)
        let key = try signedKey.verify(subjectPublicKeyInfo: certificate.subjectPublicKeyInfo)
        let peer = PeerID(key)
        if let expected, peer != expected {
            throw CertificateError(.peerMismatch, "expected the peer \(expected), but \(peer) answered")
        }
        let metadata = try Self.metadata(certificate)
        try Self.checkDates(certificate, now: now)
        return CertifiedPeer(peer: peer, key: key, metadata: metadata)
    }

    private static func checkDates(_ certificate: X509Certificate, now: WallTime) throws(CertificateError) {
        if now < certificate.notBefore {
            throw CertificateError(
                .notYetValid,
                "your clock or theirs is wrong: the peer's certificate is valid from \(certificate.notBefore), and here it is \(now)")
        }
        if now > certificate.notAfter {
            throw CertificateError(
                .expired,
                "your clock or theirs is wrong: the peer's certificate was valid until \(certificate.notAfter), and here it is \(now)")
        }
    }

    private static func checkCriticalExtensions(_ certificate: X509Certificate) throws(CertificateError) {
        let known: Set<ASN1ObjectIdentifier> = [.libp2pKey, .appMetadata]
        if let unknown = certificate.extensions.first(where: { $0.isCritical && !known.contains($0.oid) }) {
            throw CertificateError(.unknownCriticalExtension, "the extension \(unknown.oid) is critical, and nobody here understands it")
        }
    }

    private static func signedKey(_ certificate: X509Certificate) throws(CertificateError) -> SignedKey {
        guard let found = certificate.extension(.libp2pKey) else {
            throw CertificateError(.missingExtension, "the certificate lacks the extension \(ASN1ObjectIdentifier.libp2pKey)")
        }
        do {
            return try SignedKey(derEncoded: found.value)
        } catch {
            throw CertificateError(
                .malformedExtension, "the extension \(found.oid) of \(found.value.count) bytes holds no key and signature", cause: error)
        }
    }

    private static func metadata(_ certificate: X509Certificate) throws(CertificateError) -> [UInt8]? {
        guard let found = certificate.extension(.appMetadata), let string = try? ASN1OctetString(derEncoded: found.value) else {
            return nil
        }
        let count = string.bytes.count
        guard count <= CertificateLimits.maximumMetadata else {
            throw CertificateError(
                .metadataTooLong,
                "the peer attached \(count) bytes of app metadata; at most \(CertificateLimits.maximumMetadata) are taken")
        }
        return Array(string.bytes)
    }
}
