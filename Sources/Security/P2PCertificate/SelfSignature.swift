import Crypto
import CryptoExtras
import P2PCore
import SwiftASN1

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// The signature of a certificate by its own key, in one of the schemes of TLS 1.3 (RFC 8446, section 4.2.3).
///
/// Curve and hash belong together there, so P-384 with SHA-256 is no scheme, and neither is Ed448 with nothing that computes it.
enum SelfSignature {
    private enum Hash {
        case sha256, sha384, sha512
    }

    /// Checks that the certificate is signed by the key that it carries.
    static func verify(_ certificate: X509Certificate) throws(CertificateError) {
        let isValid: Bool
        switch certificate.keyAlgorithm.algorithm {
        case AlgorithmOID.ecPublicKey: isValid = try Self.verifyECDSA(certificate)
        case AlgorithmOID.ed25519: isValid = try Self.verifyEd25519(certificate)
        case AlgorithmOID.rsaEncryption: isValid = try Self.verifyRSA(certificate)
        default: throw Self.unsupported(certificate)
        }
        guard isValid else { throw CertificateError(.invalidSelfSignature, "the certificate is not signed by its own key") }
    }

    private static func unsupported(_ certificate: X509Certificate) -> CertificateError {
        CertificateError(
            .unsupportedAlgorithm,
            "a key of \(certificate.keyAlgorithm.algorithm) that signs with \(certificate.signatureAlgorithm.algorithm) is not a scheme of TLS 1.3"
        )
    }

    private static func verifyECDSA(_ certificate: X509Certificate) throws(CertificateError) -> Bool {
        guard certificate.signatureAlgorithm.parameters == nil, let parameters = certificate.keyAlgorithm.parameters,
            let curve = try? ASN1ObjectIdentifier(derEncoded: parameters)
        else { throw Self.unsupported(certificate) }
        do {
            switch (curve, certificate.signatureAlgorithm.algorithm) {
            case (AlgorithmOID.p256, AlgorithmOID.ecdsaSHA256):
                let key = try P256.Signing.PublicKey(x963Representation: certificate.key)
                guard let signature = try? P256.Signing.ECDSASignature(derRepresentation: certificate.signature) else { return false }
                return key.isValidSignature(signature, for: certificate.signedBytes)
            case (AlgorithmOID.p384, AlgorithmOID.ecdsaSHA384):
                let key = try P384.Signing.PublicKey(x963Representation: certificate.key)
                guard let signature = try? P384.Signing.ECDSASignature(derRepresentation: certificate.signature) else { return false }
                return key.isValidSignature(signature, for: certificate.signedBytes)
            case (AlgorithmOID.p521, AlgorithmOID.ecdsaSHA512):
                let key = try P521.Signing.PublicKey(x963Representation: certificate.key)
                guard let signature = try? P521.Signing.ECDSASignature(derRepresentation: certificate.signature) else { return false }
                return key.isValidSignature(signature, for: certificate.signedBytes)
            default:
                throw Self.unsupported(certificate)
            }
        } catch let error as CertificateError {
            throw error
        } catch {
            throw CertificateError(.malformed, "the certificate's key is not a point of its curve", cause: error)
        }
    }

    private static func verifyEd25519(_ certificate: X509Certificate) throws(CertificateError) -> Bool {
        guard certificate.signatureAlgorithm.algorithm == AlgorithmOID.ed25519, certificate.signatureAlgorithm.parameters == nil,
            certificate.keyAlgorithm.parameters == nil
        else { throw Self.unsupported(certificate) }
        do {
            let key = try Curve25519.Signing.PublicKey(rawRepresentation: certificate.key)
            return key.isValidSignature(certificate.signature, for: certificate.signedBytes)
        } catch {
            throw CertificateError(.malformed, "the certificate's Ed25519 key has not 32 bytes", cause: error)
        }
    }

    // MARK: RSA

    private static func verifyRSA(_ certificate: X509Certificate) throws(CertificateError) -> Bool {
        let scheme: (Hash, _RSA.Signing.Padding)
        switch certificate.signatureAlgorithm.algorithm {
        case AlgorithmOID.rsaSHA256 where certificate.signatureAlgorithm.isPlain: scheme = (.sha256, .insecurePKCS1v1_5)
        case AlgorithmOID.rsaSHA384 where certificate.signatureAlgorithm.isPlain: scheme = (.sha384, .insecurePKCS1v1_5)
        case AlgorithmOID.rsaSHA512 where certificate.signatureAlgorithm.isPlain: scheme = (.sha512, .insecurePKCS1v1_5)
        case AlgorithmOID.rsaPSS:
            guard let parameters = certificate.signatureAlgorithm.parameters, let hash = Self.pssHash(parameters) else {
                throw Self.unsupported(certificate)
            }
            scheme = (hash, .PSS)
        default: throw Self.unsupported(certificate)
        }
        let key = try Self.rsaKey(certificate)
        let signature = _RSA.Signing.RSASignature(rawRepresentation: certificate.signature)
        switch scheme.0 {
        case .sha256: return key.isValidSignature(signature, for: SHA256.hash(data: certificate.signedBytes), padding: scheme.1)
        case .sha384: return key.isValidSignature(signature, for: SHA384.hash(data: certificate.signedBytes), padding: scheme.1)
        case .sha512: return key.isValidSignature(signature, for: SHA512.hash(data: certificate.signedBytes), padding: scheme.1)
        }
    }

    private static func rsaKey(_ certificate: X509Certificate) throws(CertificateError) -> _RSA.Signing.PublicKey {
        guard certificate.keyAlgorithm.isPlain else { throw Self.unsupported(certificate) }
        let key: _RSA.Signing.PublicKey
        do {
            key = try _RSA.Signing.PublicKey(derRepresentation: certificate.key)
        } catch {
            throw CertificateError(.malformed, "the certificate's RSA key is refused", cause: error)
        }
        guard CertificateLimits.rsaBits.contains(key.keySizeInBits) else {
            throw CertificateError(
                .unsupportedAlgorithm,
                "the certificate's RSA key has \(key.keySizeInBits) bits; \(CertificateLimits.rsaBits) are accepted")
        }
        return key
    }

    /// The hash of RSASSA-PSS parameters that name the same hash for MGF1, and a salt of its length (RFC 4055, section 3.1).
    private static func pssHash(_ parameters: ASN1Node) -> Hash? {
        let tag = ASN1Identifier.TagClass.contextSpecific
        let parsed = try? DER.sequence(parameters, identifier: .sequence) { nodes in
            let hash = try DER.optionalExplicitlyTagged(&nodes, tagNumber: 0, tagClass: tag) { try AlgorithmIdentifier(derEncoded: $0) }
            let mask = try DER.optionalExplicitlyTagged(&nodes, tagNumber: 1, tagClass: tag) { try AlgorithmIdentifier(derEncoded: $0) }
            let salt = try DER.decodeDefaultExplicitlyTagged(&nodes, tagNumber: 2, tagClass: tag, defaultValue: Int(20))
            let trailer = try DER.decodeDefaultExplicitlyTagged(&nodes, tagNumber: 3, tagClass: tag, defaultValue: Int(1))
            return (hash: hash, mask: mask, salt: salt, trailer: trailer)
        }
        guard let parsed, parsed.trailer == 1, let hash = parsed.hash, hash.isPlain, let mask = parsed.mask,
            mask.algorithm == AlgorithmOID.mgf1, let maskParameters = mask.parameters,
            let maskHash = try? AlgorithmIdentifier(derEncoded: maskParameters), maskHash.isPlain, maskHash.algorithm == hash.algorithm
        else { return nil }
        switch (hash.algorithm, parsed.salt) {
        case (AlgorithmOID.sha256, 32): return .sha256
        case (AlgorithmOID.sha384, 48): return .sha384
        case (AlgorithmOID.sha512, 64): return .sha512
        default: return nil
        }
    }
}
