internal import Crypto
package import P2PCore
package import P2PIdentity
internal import SwiftASN1
internal import X509

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// What a host presents in every TLS handshake: a self-signed certificate, signed once by its identity, and the key to it.
///
/// The key is a fresh P-256 key: every peer can verify it, and it has nothing to do with the host's own
/// (libp2p TLS spec, "Peer Authentication").
package struct HostCertificate: Sendable {
    /// From when a certificate is valid: the earliest time that a machine without a battery for its clock starts at.
    ///
    /// The dates say nothing of when it was made. It proves a key for as long as somebody holds it, and a peer judges it by a clock of its
    /// own, which may be wrong (libp2p TLS spec: the dates are to be such that it is valid when it arrives).
    package static let notBefore = WallTime(secondsSince1970: 0)
    /// Until when: as rust-libp2p's.
    package static let notAfter = WallTime(year: 4096, month: 1, day: 1, hours: 0, minutes: 0, seconds: 0)

    /// The certificate in DER.
    package let certificateDER: [UInt8]
    /// The certificate in PEM.
    package let certificatePEM: String
    /// The certificate's private key as PKCS#8 in DER: **secret**.
    package let privateKeyDER: [UInt8]
    /// The certificate's private key as PKCS#8 in PEM: **secret**.
    package let privateKeyPEM: String

    /// Makes a key and a certificate, and has the key signed.
    ///
    /// - Parameters:
    ///   - identity: signs once.
    ///   - metadata: what the application attaches to every handshake, at most ``CertificateLimits/maximumMetadata`` bytes; nothing
    ///     when empty. A listener's is readable by dialers that have not proved who they are yet.
    /// - Throws: `.metadataTooLong`, `.signingFailed`, `.libraryFailure`.
    package static func make(
        identity: any IdentityKey, metadata: [UInt8] = []
    ) async throws(CertificateError) -> HostCertificate {
        guard metadata.count <= CertificateLimits.maximumMetadata else {
            throw CertificateError(
                .metadataTooLong, "app metadata of \(metadata.count) bytes exceeds the limit of \(CertificateLimits.maximumMetadata)")
        }
        let key = P256.Signing.PrivateKey()
        let signedKey = try await SignedKey.make(
            identity: identity, subjectPublicKeyInfo: Array(key.publicKey.derRepresentation))
        do {
            return try HostCertificate(key: key, signedKey: signedKey, metadata: metadata)
        } catch {
            throw CertificateError(.libraryFailure, "no certificate could be made", cause: error)
        }
    }

    private init(key: P256.Signing.PrivateKey, signedKey: SignedKey, metadata: [UInt8]) throws {
        let name = try DistinguishedName { CommonName("libp2p") }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PublicKey(key.publicKey),
            notValidBefore: Self.notBefore.date, notValidAfter: Self.notAfter.date, issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256, extensions: try Self.extensions(signedKey, metadata),
            issuerPrivateKey: Certificate.PrivateKey(key))
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        self.certificateDER = serializer.serializedBytes
        self.certificatePEM = try certificate.serializeAsPEM().pemString
        self.privateKeyDER = Array(key.derRepresentation)
        self.privateKeyPEM = key.pemRepresentation
    }

    private static func extensions(_ signedKey: SignedKey, _ metadata: [UInt8]) throws -> Certificate.Extensions {
        var serializer = DER.Serializer()
        try serializer.serialize(signedKey)
        var extensions = [Certificate.Extension(oid: .libp2pKey, critical: false, value: serializer.serializedBytes[...])]
        if !metadata.isEmpty {
            var serializer = DER.Serializer()
            try serializer.serialize(ASN1OctetString(contentBytes: metadata[...]))
            extensions.append(Certificate.Extension(oid: .appMetadata, critical: false, value: serializer.serializedBytes[...]))
        }
        return try Certificate.Extensions(extensions)
    }
}

extension HostCertificate: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The certificate's size and nothing of its key.
    package var description: String { "HostCertificate(\(self.certificateDER.count) bytes, key redacted)" }

    /// The same as `description`.
    package var debugDescription: String { self.description }

    /// A mirror without children, so that `dump` shows nothing either.
    package var customMirror: Mirror { Mirror(self, children: [:], displayStyle: .struct) }
}

extension WallTime {
    fileprivate var date: Date { Date(timeIntervalSince1970: Double(self.secondsSince1970)) }
}
