import NIOCore
import P2PCore
import P2PIdentity
import P2PProtobuf

/// A message between a relay's client and the relay (circuit-v2, "Hop Protocol").
package struct HopMessage: Hashable {
    /// An open set, as numbers on the wire.
    struct Kind: RawRepresentable, Hashable {
        let rawValue: UInt64

        static let reserve = Kind(rawValue: 0)
        static let connect = Kind(rawValue: 1)
        static let status = Kind(rawValue: 2)
    }

    var kind: Kind
    /// Whom to connect to, as bytes: what is no peer id is refused where it matters.
    var peer: [UInt8]?
    var reservation: WireReservation?
    /// Said, it makes the connection a limited one.
    var limit: CircuitLimit?
    var status: RelayStatus?

    init(_ kind: Kind, peer: PeerID? = nil, reservation: WireReservation? = nil, limit: CircuitLimit? = nil, status: RelayStatus? = nil) {
        self.kind = kind
        self.peer = peer?.bytes
        self.reservation = reservation
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
            case (2, .bytes(let bytes)): self.peer = try Self.peerID(in: bytes)
            case (3, .bytes(let bytes)): self.reservation = try WireReservation(bytes)
            case (4, .bytes(let bytes)): self.limit = try CircuitLimit(bytes)
            case (5, .varint(let number)): self.status = RelayStatus(rawValue: number)
            default: break
            }
        }
        guard let kind else { throw WireReader.malformed("it has no type") }
        self.kind = kind
    }

    package var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.write(1, varint: self.kind.rawValue)
        if let peer { writer.write(2, bytes: Self.peerMessage(peer)) }
        if let reservation { writer.write(3, bytes: reservation.encoded) }
        if let limit { writer.write(4, bytes: limit.encoded) }
        if let status { writer.write(5, varint: status.rawValue) }
        return writer.bytes
    }

    /// The id of a message `Peer`; nil where it has none.
    static func peerID(in bytes: ByteBuffer) throws(RelayError) -> [UInt8]? {
        var reader = WireReader(bytes)
        var id: [UInt8]?
        while let (field, value) = try reader.next() {
            if case (1, .bytes(let bytes)) = (field, value) { id = Array(bytes.readableBytesView) }
        }
        return id
    }

    static func peerMessage(_ id: [UInt8]) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.write(1, bytes: id)
        return writer.bytes
    }
}
