internal import Crypto
import P2PCore
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
    /// How long a certificate is valid, in seconds: a year.
    package static let lifetime: Int64 = 365 * 86_400
    /// How long before its end a certificate should be replaced, in seconds: 30 days.
    package static let renewalMargin: Int64 = 30 * 86_400
    /// How far a peer's clock may lag behind ours, in seconds: a day.
    package static let clockTolerance: Int64 = 86_400

    /// The certificate in DER.
    package let certificateDER: [UInt8]
    /// The certificate in PEM.
    package let certificatePEM: String
    /// The certificate's private key as PKCS#8 in DER: **secret**.
    package let privateKeyDER: [UInt8]
    /// The certificate's private key as PKCS#8 in PEM: **secret**.
    package let privateKeyPEM: String
    /// The last moment at which peers accept it.
    package let notAfter: WallTime

    /// When it is time for the next one.
    package var renewal: WallTime { self.notAfter.advanced(by: -Self.renewalMargin) }

    /// Makes a key and a certificate, and has the key signed.
    ///
    /// - Parameters:
    ///   - identity: signs once.
    ///   - metadata: what the application attaches to every handshake, at most ``CertificateLimits/maximumMetadata`` bytes; nothing
    ///     when empty. A listener's is readable by dialers that have not proved who they are yet.
    ///   - now: what time it is.
    /// - Throws: `.metadataTooLong`, `.signingFailed`, `.libraryFailure`.
    package static func make(
        identity: any IdentityKey, metadata: [UInt8] = [], now: WallTime = .now
    ) async throws(CertificateError) -> HostCertificate {
        guard metadata.count <= CertificateLimits.maximumMetadata else {
            throw CertificateError(
                .metadataTooLong, "app metadata of \(metadata.count) bytes exceeds the limit of \(CertificateLimits.maximumMetadata)")
        }
        let key = P256.Signing.PrivateKey()
        let signedKey = try await SignedKey.make(
            identity: identity, subjectPublicKeyInfo: Array(key.publicKey.derRepresentation))
        do {
            return try HostCertificate(key: key, signedKey: signedKey, metadata: metadata, now: now)
        } catch {
            throw CertificateError(.libraryFailure, "no certificate could be made", cause: error)
        }
    }

    private init(key: P256.Signing.PrivateKey, signedKey: SignedKey, metadata: [UInt8], now: WallTime) throws {
        let name = try DistinguishedName { CommonName("libp2p") }
        self.notAfter = now.advanced(by: Self.lifetime)
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PublicKey(key.publicKey),
            notValidBefore: now.advanced(by: -Self.clockTolerance).date, notValidAfter: self.notAfter.date, issuer: name, subject: name,
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
