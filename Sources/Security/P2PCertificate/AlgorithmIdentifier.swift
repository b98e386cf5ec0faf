import SwiftASN1

/// The name of an algorithm with its parameters (RFC 5280, section 4.1.1.2).
struct AlgorithmIdentifier: DERParseable {
    let algorithm: ASN1ObjectIdentifier
    let parameters: ASN1Node?

    init(derEncoded node: ASN1Node) throws {
        self = try DER.sequence(node, identifier: .sequence) { nodes in
            AlgorithmIdentifier(algorithm: try ASN1ObjectIdentifier(derEncoded: &nodes), parameters: nodes.next())
        }
    }

    private init(algorithm: ASN1ObjectIdentifier, parameters: ASN1Node?) {
        self.algorithm = algorithm
        self.parameters = parameters
    }

    /// Whether there are no parameters, or the NULL that RSA's algorithms write instead (RFC 4055, section 2.1).
    var isPlain: Bool {
        guard let parameters = self.parameters else { return true }
        return (try? ASN1Null(derEncoded: parameters)) != nil
    }
}
