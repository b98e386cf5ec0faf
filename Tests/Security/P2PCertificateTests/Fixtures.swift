import Crypto
import Foundation
import P2PCore
import P2PIdentity
import SwiftASN1
import X509

@testable import P2PCertificate

/// Why a certificate is refused; nil when it is accepted.
func refusal(of certificate: [UInt8], expecting peer: PeerID? = nil, now: WallTime = .now) -> P2PCertificate.CertificateError.Code? {
    refusal(ofChain: [certificate], expecting: peer, now: now)
}

/// Why a chain is refused; nil when it is accepted.
func refusal(ofChain chain: [[UInt8]], expecting peer: PeerID? = nil, now: WallTime = .now) -> P2PCertificate.CertificateError.Code? {
    do throws(P2PCertificate.CertificateError) {
        _ = try CertifiedPeer.verify(chainDER: chain, expecting: peer, now: now)
        return nil
    } catch {
        return error.code
    }
}

/// A certificate that is right in every way until a test changes something.
struct Recipe {
    var host: PrivateKey
    var key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    /// What the host key signs over, if not the certificate's key.
    var signedInfo: [UInt8]?
    var signature: [UInt8]?
    var hostKey: [UInt8]?
    var extensionValue: [UInt8]?
    var hasExtension = true
    var isCritical = false
    var others: [Certificate.Extension] = []
    var notBefore = Date.now - 3_600
    var notAfter = Date.now + 3_600
    var signer: Certificate.PrivateKey?
    var version = Certificate.Version.v3
    var algorithm: Certificate.SignatureAlgorithm?

    init(host: PrivateKey) {
        self.host = host
    }

    func bake() async throws -> [UInt8] {
        var info = DER.Serializer()
        try info.serialize(self.key.publicKey)
        let signature = try await self.host.sign(Array("libp2p-tls-handshake:".utf8) + (self.signedInfo ?? info.serializedBytes))
        var value = DER.Serializer()
        try value.serialize(
            SignedKey(publicKey: self.hostKey ?? self.host.publicKey.protobufEncoded, signature: self.signature ?? signature))
        var extensions = self.others
        if self.hasExtension {
            extensions.append(
                Certificate.Extension(
                    oid: .libp2pKey, critical: self.isCritical, value: (self.extensionValue ?? value.serializedBytes)[...]))
        }
        let name = try DistinguishedName { CommonName("libp2p") }
        let signer = self.signer ?? self.key
        let extensionSet = try Certificate.Extensions(extensions)
        let certificate =
            if let algorithm = self.algorithm {
                try Certificate(
                    version: self.version, serialNumber: Certificate.SerialNumber(), publicKey: self.key.publicKey,
                    notValidBefore: self.notBefore, notValidAfter: self.notAfter, issuer: name, subject: name,
                    signatureAlgorithm: algorithm, extensions: extensionSet, issuerPrivateKey: signer)
            } else {
                try Certificate(
                    version: self.version, serialNumber: Certificate.SerialNumber(), publicKey: self.key.publicKey,
                    notValidBefore: self.notBefore, notValidAfter: self.notAfter, issuer: name, subject: name,
                    extensions: extensionSet, issuerPrivateKey: signer)
            }
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return serializer.serializedBytes
    }
}
