import NIOCore
import P2PProtobuf

/// What a peer says of itself after a connection opens, as it travels (identify spec, "Messages").
///
/// The texts are strings in the specification. As bytes they are the same, and one that is not UTF-8 spoils no more than itself.
struct IdentifyMessage: Hashable {
    var publicKey: [UInt8]?
    var listenAddresses: [[UInt8]] = []
    var protocols: [[UInt8]] = []
    var observedAddress: [UInt8]?
    var protocolVersion: [UInt8]?
    var agentVersion: [UInt8]?
    var signedPeerRecord: [UInt8]?

    /// Reads one more message into this: lists grow, single fields are replaced, and unknown fields mean nothing.
    mutating func merge(_ message: ByteBuffer) throws(ProtobufError) {
        var merged = self
        var reader = ProtobufReader(message)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes): merged.publicKey = field.array
            case (2, .bytes(let bytes)): Self.append(bytes, to: &merged.listenAddresses)
            case (3, .bytes(let bytes)): Self.append(bytes, to: &merged.protocols)
            case (4, .bytes): merged.observedAddress = field.array
            case (5, .bytes): merged.protocolVersion = field.array
            case (6, .bytes): merged.agentVersion = field.array
            case (8, .bytes): merged.signedPeerRecord = field.array
            default: break
            }
        }
        self = merged
    }

    private static func append(_ bytes: ByteBuffer, to list: inout [[UInt8]]) {
        if list.count < IdentifyLimits.entries { list.append(Array(bytes.readableBytesView)) }
    }

    var encoded: ByteBuffer {
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
