package import NIOCore
import P2PProtobuf

/// What a peer says of itself after a connection opens, as it travels (identify spec, "Messages").
///
/// The texts are strings in the specification. As bytes they are the same, and one that is not UTF-8 spoils no more than itself.
package struct IdentifyMessage: Hashable {
    package var publicKey: [UInt8]?
    package var listenAddresses: [[UInt8]] = []
    package var protocols: [[UInt8]] = []
    package var observedAddress: [UInt8]?
    package var protocolVersion: [UInt8]?
    package var agentVersion: [UInt8]?
    package var signedPeerRecord: [UInt8]?

    package init() {}

    /// Reads one more message into this: lists grow, single fields are replaced, and unknown fields mean nothing.
    mutating func merge(_ message: ByteBuffer) throws(ProtobufError) {
        var merged = self
        var reader = ProtobufReader(message)
        while let field = try reader.next() {
            guard let bytes = field.array else { continue }
            switch field.number {
            case 1: merged.publicKey = bytes
            case 2: merged.listenAddresses.append(bytes)
            case 3: merged.protocols.append(bytes)
            case 4: merged.observedAddress = bytes
            case 5: merged.protocolVersion = bytes
            case 6: merged.agentVersion = bytes
            case 8: merged.signedPeerRecord = bytes
            default: break
            }
        }
        self = merged
    }

    package var encoded: ByteBuffer {
        var writer = ProtobufWriter(capacity: 1_024)
        if let publicKey { writer.write(1, bytes: publicKey) }
        for address in self.listenAddresses { writer.write(2, bytes: address) }
        for name in self.protocols { writer.write(3, bytes: name) }
        if let observedAddress { writer.write(4, bytes: observedAddress) }
        if let protocolVersion { writer.write(5, bytes: protocolVersion) }
        if let agentVersion { writer.write(6, bytes: agentVersion) }
        if let signedPeerRecord { writer.write(8, bytes: signedPeerRecord) }
        return writer.buffer
    }
}
