import SwiftASN1

/// Certificates that no library makes: the body of a right one with another part at its end. Its signature fits no longer,
/// which is looked at later than form.
enum Surgery {
    static func repeatingTheExtensions(of certificate: [UInt8]) throws -> [UInt8] {
        try self.rebuild(certificate) { part, coder in
            guard part.identifier == ASN1Identifier(tagWithNumber: 3, tagClass: .contextSpecific) else {
                coder.serializeRawBytes(part.encodedBytes)
                return
            }
            let extensions = try DER.explicitlyTagged(part, tagNumber: 3, tagClass: .contextSpecific) { node in
                try DER.sequence(node, identifier: .sequence) { nodes in
                    var all: [UInt8] = []
                    while let node = nodes.next() { all += node.encodedBytes }
                    return all
                }
            }
            coder.serialize(explicitlyTaggedWithTagNumber: 3, tagClass: .contextSpecific) { coder in
                coder.appendConstructedNode(identifier: .sequence) { $0.serializeRawBytes(extensions + extensions) }
            }
        }
    }

    static func addingAUniqueID(to certificate: [UInt8]) throws -> [UInt8] {
        try self.rebuild(certificate) { part, coder in
            if part.identifier == ASN1Identifier(tagWithNumber: 3, tagClass: .contextSpecific) {
                coder.appendPrimitiveNode(identifier: ASN1Identifier(tagWithNumber: 1, tagClass: .contextSpecific)) { $0 += [0, 1] }
            }
            coder.serializeRawBytes(part.encodedBytes)
        }
    }

    private static func rebuild(
        _ certificate: [UInt8], _ change: (ASN1Node, inout DER.Serializer) throws -> Void
    ) throws -> [UInt8] {
        var output = DER.Serializer()
        try DER.sequence(try DER.parse(certificate), identifier: .sequence) { nodes in
            guard let body = nodes.next(), let algorithm = nodes.next(), let signature = nodes.next() else { return }
            try output.appendConstructedNode(identifier: .sequence) { coder in
                try coder.appendConstructedNode(identifier: .sequence) { coder in
                    try DER.sequence(body, identifier: .sequence) { parts in
                        while let part = parts.next() { try change(part, &coder) }
                    }
                }
                coder.serializeRawBytes(algorithm.encodedBytes)
                coder.serializeRawBytes(signature.encodedBytes)
            }
        }
        return output.serializedBytes
    }
}
