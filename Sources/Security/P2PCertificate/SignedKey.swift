import P2PCore
import P2PIdentity
import SwiftASN1

/// What the libp2p extension of a certificate holds: a host key, and its signature over the certificate's own key.
///
///     SignedKey ::= SEQUENCE { publicKey OCTET STRING, signature OCTET STRING }     (libp2p TLS spec)
struct SignedKey {
    /// What stands before the certificate's SubjectPublicKeyInfo in the signed bytes.
    private static let signaturePrefix = "libp2p-tls-handshake:"

    /// The host's public key as the protobuf message of the peer-ids spec.
    let publicKey: [UInt8]
    /// The host key's signature.
    let signature: [UInt8]

    init(publicKey: [UInt8], signature: [UInt8]) {
        self.publicKey = publicKey
        self.signature = signature
    }

    /// Has the identity sign a certificate's key.
    static func make(identity: any IdentityKey, subjectPublicKeyInfo: [UInt8]) async throws(CertificateError) -> SignedKey {
        do throws(IdentityError) {
            let signature = try await identity.sign(Self.signed(subjectPublicKeyInfo))
            return SignedKey(publicKey: identity.publicKey.protobufEncoded, signature: signature)
        } catch {
            throw CertificateError(.signingFailed, "the identity key did not sign the key of its certificate", cause: error)
        }
    }

    /// The host key, once its signature over the certificate's key has been checked.
    func verify(subjectPublicKeyInfo: [UInt8]) throws(CertificateError) -> PublicKey {
        let key: PublicKey
        do throws(IdentityError) {
            key = try PublicKey(protobufEncoded: self.publicKey)
        } catch {
            throw CertificateError(.invalidHostKey, "the host key in the certificate is refused", cause: error)
        }
        guard key.isValidSignature(self.signature, for: Self.signed(subjectPublicKeyInfo)) else {
            throw CertificateError(.invalidHostSignature, "the certificate's key is not signed by the host key of \(PeerID(key))")
        }
        return key
    }

    private static func signed(_ subjectPublicKeyInfo: [UInt8]) -> [UInt8] {
        Array(Self.signaturePrefix.utf8) + subjectPublicKeyInfo
    }
}

extension SignedKey: DERImplicitlyTaggable {
    static var defaultIdentifier: ASN1Identifier { .sequence }

    init(derEncoded node: ASN1Node, withIdentifier identifier: ASN1Identifier) throws {
        self = try DER.sequence(node, identifier: identifier) { nodes in
            let publicKey = try ASN1OctetString(derEncoded: &nodes)
            let signature = try ASN1OctetString(derEncoded: &nodes)
            return SignedKey(publicKey: Array(publicKey.bytes), signature: Array(signature.bytes))
        }
    }

    func serialize(into coder: inout DER.Serializer, withIdentifier identifier: ASN1Identifier) throws {
        try coder.appendConstructedNode(identifier: identifier) { coder in
            try coder.serialize(ASN1OctetString(contentBytes: self.publicKey[...]))
            try coder.serialize(ASN1OctetString(contentBytes: self.signature[...]))
        }
    }
}
