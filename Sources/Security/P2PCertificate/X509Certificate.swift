import P2PCore
import SwiftASN1

/// The parts of an X.509 certificate that its verification needs (RFC 5280, section 4.1), as they came.
///
/// Names and serial number are passed over: nothing of what they say is believed.
struct X509Certificate {
    struct Extension {
        let oid: ASN1ObjectIdentifier
        let isCritical: Bool
        let value: ArraySlice<UInt8>
    }

    /// What is signed.
    let signedBytes: ArraySlice<UInt8>
    let signatureAlgorithm: AlgorithmIdentifier
    let signature: ArraySlice<UInt8>
    let notBefore: WallTime
    let notAfter: WallTime
    let keyAlgorithm: AlgorithmIdentifier
    let key: ArraySlice<UInt8>
    /// The certificate's key with its algorithm, byte for byte: what the host key signs.
    let subjectPublicKeyInfo: [UInt8]
    let extensions: [Extension]
}

extension X509Certificate {
    init(der: [UInt8]) throws(CertificateError) {
        guard der.count <= CertificateLimits.maximumSize else {
            throw CertificateError(
                .tooLarge, "a certificate of \(der.count) bytes; at most \(CertificateLimits.maximumSize) are looked at")
        }
        do {
            self = try X509Certificate(derEncoded: DER.parse(der))
        } catch let error as CertificateError {
            throw error
        } catch {
            throw CertificateError(.malformed, "\(der.count) bytes that are not an X.509 certificate in DER", cause: error)
        }
    }

    func `extension`(_ oid: ASN1ObjectIdentifier) -> Extension? {
        self.extensions.first { $0.oid == oid }
    }
}

extension X509Certificate: DERParseable {
    init(derEncoded root: ASN1Node) throws {
        self = try DER.sequence(root, identifier: .sequence) { nodes in
            guard let body = nodes.next(), let algorithm = nodes.next() else {
                throw CertificateError(.malformed, "a certificate that is not a sequence of three")
            }
            let signature = try ASN1BitString(derEncoded: &nodes)
            return try X509Certificate(body: body, algorithm: algorithm, signature: signature)
        }
    }

    private init(body: ASN1Node, algorithm outerAlgorithm: ASN1Node, signature: ASN1BitString) throws {
        guard signature.paddingBits == 0 else { throw CertificateError(.malformed, "a signature that is not whole bytes") }
        self = try DER.sequence(body, identifier: .sequence) { nodes in
            let version = try DER.decodeDefaultExplicitlyTagged(&nodes, tagNumber: 0, tagClass: .contextSpecific, defaultValue: Int(0))
            guard version == 2 else { throw CertificateError(.malformed, "a certificate of version \(version) + 1 instead of 3") }
            _ = try ArraySlice<UInt8>(derEncoded: &nodes)
            guard let innerAlgorithm = nodes.next(), innerAlgorithm.encodedBytes == outerAlgorithm.encodedBytes else {
                throw CertificateError(.malformed, "a certificate that names two signature algorithms")
            }
            try Self.skipName(&nodes)
            let validity = try nodes.next().map(Validity.init(derEncoded:))
            try Self.skipName(&nodes)
            guard let validity, let info = nodes.next() else {
                throw CertificateError(.malformed, "a certificate that ends before its key")
            }
            let (keyAlgorithm, key) = try DER.sequence(info, identifier: .sequence) { nodes in
                (try AlgorithmIdentifier(derEncoded: &nodes), try ASN1BitString(derEncoded: &nodes))
            }
            guard key.paddingBits == 0 else { throw CertificateError(.malformed, "a key that is not whole bytes") }
            return X509Certificate(
                signedBytes: body.encodedBytes, signatureAlgorithm: try AlgorithmIdentifier(derEncoded: outerAlgorithm),
                signature: signature.bytes, notBefore: validity.notBefore, notAfter: validity.notAfter, keyAlgorithm: keyAlgorithm,
                key: key.bytes, subjectPublicKeyInfo: Array(info.encodedBytes), extensions: try Self.extensions(&nodes))
        }
    }

    private static func skipName(_ nodes: inout ASN1NodeCollection.Iterator) throws {
        guard nodes.next()?.identifier == .sequence else { throw CertificateError(.malformed, "a certificate without a name") }
    }

    /// What follows the key: extensions, and none of the unique ids that the TLS spec does away with ("Peer Authentication").
    private static func extensions(_ nodes: inout ASN1NodeCollection.Iterator) throws -> [Extension] {
        guard let node = nodes.next() else { return [] }
        guard node.identifier == ASN1Identifier(tagWithNumber: 3, tagClass: .contextSpecific) else {
            throw CertificateError(.malformed, "a certificate with a unique id, or another part that may not be there")
        }
        let extensions = try DER.explicitlyTagged(node, tagNumber: 3, tagClass: .contextSpecific) { node in
            try DER.sequence(of: Extension.self, identifier: .sequence, rootNode: node)
        }
        guard Set(extensions.map(\.oid)).count == extensions.count else {
            throw CertificateError(.malformed, "a certificate with two extensions of one kind")
        }
        return extensions
    }
}

extension X509Certificate.Extension: DERParseable {
    init(derEncoded node: ASN1Node) throws {
        self = try DER.sequence(node, identifier: .sequence) { nodes in
            let oid = try ASN1ObjectIdentifier(derEncoded: &nodes)
            let isCritical = try DER.decodeDefault(&nodes, defaultValue: false)
            let value = try ASN1OctetString(derEncoded: &nodes)
            return X509Certificate.Extension(oid: oid, isCritical: isCritical, value: value.bytes)
        }
    }
}

/// From when until when a certificate may be used (RFC 5280, section 4.1.2.5).
private struct Validity: DERParseable {
    let notBefore: WallTime
    let notAfter: WallTime

    init(derEncoded node: ASN1Node) throws {
        self = try DER.sequence(node, identifier: .sequence) { nodes in
            Validity(notBefore: try Self.time(nodes.next()), notAfter: try Self.time(nodes.next()))
        }
    }

    private init(notBefore: WallTime, notAfter: WallTime) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    private static func time(_ node: ASN1Node?) throws -> WallTime {
        guard let node else { throw CertificateError(.malformed, "a certificate that lacks a date") }
        if node.identifier == .utcTime {
            let time = try UTCTime(derEncoded: node)
            return WallTime(
                year: time.year, month: time.month, day: time.day, hours: time.hours, minutes: time.minutes, seconds: time.seconds)
        }
        let time = try GeneralizedTime(derEncoded: node)
        return WallTime(
            year: time.year, month: time.month, day: time.day, hours: time.hours, minutes: time.minutes, seconds: time.seconds)
    }
}
