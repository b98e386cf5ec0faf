import Crypto
import Foundation
import P2PCertificate
import P2PCore
import P2PIdentity
import SwiftASN1
import Testing
import X509

/// What can be wrong with a peer's certificate.
enum Fault: String, CaseIterable, CustomTestStringConvertible {
    case none, absent, two, expired, future, noExtension, unknownCritical, badSelfSignature, badHostSignature

    var testDescription: String { self.rawValue }

    /// Why a verifier refuses it.
    var refusal: P2PCertificate.CertificateError.Code? {
        switch self {
        case .none, .absent: nil
        case .two: .wrongCount
        case .expired: .expired
        case .future: .notYetValid
        case .noExtension: .missingExtension
        case .unknownCritical: .unknownCriticalExtension
        case .badSelfSignature: .invalidSelfSignature
        case .badHostSignature: .invalidHostSignature
        }
    }

    /// Certificates in DER with the key to the first, signed by a host of its own.
    func bake() async throws -> (chain: [[UInt8]], key: [UInt8]) {
        let host = try PrivateKey.generate(.ed25519)
        let key = P256.Signing.PrivateKey()
        if self == .absent { return ([], Array(key.derRepresentation)) }
        let signed = self == .badHostSignature ? [1, 2, 3] : Array(key.publicKey.derRepresentation)
        let signature = try await host.sign(Array("libp2p-tls-handshake:".utf8) + signed)
        var extensions: [Certificate.Extension] = []
        if self != .noExtension {
            extensions.append(
                Certificate.Extension(
                    oid: [1, 3, 6, 1, 4, 1, 53594, 1, 1], critical: false,
                    value: try Self.signedKey(host.publicKey.protobufEncoded, signature)[...]))
        }
        if self == .unknownCritical { extensions.append(Certificate.Extension(oid: [1, 2, 3, 4], critical: true, value: [5, 0])) }
        let (from, until): (TimeInterval, TimeInterval) =
            switch self {
            case .expired: (-7_200, -3_600)
            case .future: (3_600, 7_200)
            default: (-3_600, 3_600)
            }
        let name = try DistinguishedName { CommonName("libp2p") }
        let signer = self == .badSelfSignature ? P256.Signing.PrivateKey() : key
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PublicKey(key.publicKey),
            notValidBefore: .now + from, notValidAfter: .now + until, issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256, extensions: try Certificate.Extensions(extensions),
            issuerPrivateKey: Certificate.PrivateKey(signer))
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        let chain = Array(repeating: serializer.serializedBytes, count: self == .two ? 2 : 1)
        return (chain, Array(key.derRepresentation))
    }

    private static func signedKey(_ key: [UInt8], _ signature: [UInt8]) throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.appendConstructedNode(identifier: .sequence) { coder in
            try coder.serialize(ASN1OctetString(contentBytes: key[...]))
            try coder.serialize(ASN1OctetString(contentBytes: signature[...]))
        }
        return serializer.serializedBytes
    }
}
