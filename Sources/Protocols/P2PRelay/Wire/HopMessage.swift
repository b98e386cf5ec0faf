import P2PCore
import P2PIdentity

/// A message between a relay's client and the relay (circuit-v2, "Hop Protocol").
package struct HopMessage: Hashable {
    enum Kind: Hashable {
        case reserve
        case connect
        case status
        case other(UInt64)

        init(_ number: UInt64) {
            switch number {
            case 0: self = .reserve
            case 1: self = .connect
            case 2: self = .status
            default: self = .other(number)
            }
        }

        var number: UInt64 {
            switch self {
            case .reserve: 0
            case .connect: 1
            case .status: 2
            case .other(let number): number
            }
        }
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
        var reader = WireReader(bytes[...])
        var kind: Kind?
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .number(let number)): kind = Kind(number)
            case (2, .bytes(let bytes)): self.peer = try Self.peerID(in: bytes)
            case (3, .bytes(let bytes)): self.reservation = try WireReservation(bytes)
            case (4, .bytes(let bytes)): self.limit = try CircuitLimit(bytes)
            case (5, .number(let number)): self.status = RelayStatus(rawValue: number)
            default: break
            }
        }
        guard let kind else { throw WireReader.malformed("it has no type") }
        self.kind = kind
    }

    package var encoded: [UInt8] {
        var writer = WireWriter()
        writer.write(self.kind.number, as: 1)
        if let peer { writer.write(Self.peerMessage(peer), as: 2) }
        if let reservation { writer.write(reservation.encoded, as: 3) }
        if let limit { writer.write(limit.encoded, as: 4) }
        if let status { writer.write(status.rawValue, as: 5) }
        return writer.bytes
    }

    /// The id of a message `Peer`; nil where it has none.
    static func peerID(in bytes: ArraySlice<UInt8>) throws(RelayError) -> [UInt8]? {
        var reader = WireReader(bytes)
        var id: [UInt8]?
        while let (field, value) = try reader.next() {
            if case (1, .bytes(let bytes)) = (field, value) { id = Array(bytes) }
        }
        return id
    }

    static func peerMessage(_ id: [UInt8]) -> [UInt8] {
        var writer = WireWriter()
        writer.write(id, as: 1)
        return writer.bytes
    }
}
