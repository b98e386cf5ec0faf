import NIOCore
import P2PCore
import P2PIdentity
import P2PProtobuf

/// A message between a relay and whoever has a place at it (circuit-v2, "Stop Protocol").
package struct StopMessage: Hashable {
    /// An open set, as numbers on the wire.
    struct Kind: RawRepresentable, Hashable {
        let rawValue: UInt64

        static let connect = Kind(rawValue: 0)
        static let status = Kind(rawValue: 1)
    }

    var kind: Kind
    /// Who wants to connect, as the relay says.
    var peer: [UInt8]?
    var limit: CircuitLimit?
    var status: RelayStatus?

    init(_ kind: Kind, peer: PeerID? = nil, limit: CircuitLimit? = nil, status: RelayStatus? = nil) {
        self.kind = kind
        self.peer = peer?.bytes
        self.limit = limit
        self.status = status
    }

    /// Reads the message; fields that are unknown mean nothing.
    package init(_ bytes: [UInt8]) throws(RelayError) {
        var reader = WireReader(ByteBuffer(bytes: bytes))
        var kind: Kind?
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .varint(let number)): kind = Kind(rawValue: number)
            case (2, .bytes(let bytes)): self.peer = try HopMessage.peerID(in: bytes)
            case (3, .bytes(let bytes)): self.limit = try CircuitLimit(bytes)
            case (4, .varint(let number)): self.status = RelayStatus(rawValue: number)
            default: break
            }
        }
        guard let kind else { throw WireReader.malformed("it has no type") }
        self.kind = kind
    }

    package var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.write(1, varint: self.kind.rawValue)
        if let peer { writer.write(2, bytes: HopMessage.peerMessage(peer)) }
        if let limit { writer.write(3, bytes: limit.encoded) }
        if let status { writer.write(4, varint: status.rawValue) }
        return writer.bytes
    }
}
