import P2PCore
import P2PIdentity

/// A message between a relay and whoever has a place at it (circuit-v2, "Stop Protocol").
package struct StopMessage: Hashable {
    enum Kind: Hashable {
        case connect
        case status
        case other(UInt64)

        init(_ number: UInt64) {
            switch number {
            case 0: self = .connect
            case 1: self = .status
            default: self = .other(number)
            }
        }

        var number: UInt64 {
            switch self {
            case .connect: 0
            case .status: 1
            case .other(let number): number
            }
        }
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
        var reader = WireReader(bytes[...])
        var kind: Kind?
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .number(let number)): kind = Kind(number)
            case (2, .bytes(let bytes)): self.peer = try HopMessage.peerID(in: bytes)
            case (3, .bytes(let bytes)): self.limit = try CircuitLimit(bytes)
            case (4, .number(let number)): self.status = RelayStatus(rawValue: number)
            default: break
            }
        }
        guard let kind else { throw WireReader.malformed("it has no type") }
        self.kind = kind
    }

    package var encoded: [UInt8] {
        var writer = WireWriter()
        writer.write(self.kind.number, as: 1)
        if let peer { writer.write(HopMessage.peerMessage(peer), as: 2) }
        if let limit { writer.write(limit.encoded, as: 3) }
        if let status { writer.write(status.rawValue, as: 4) }
        return writer.bytes
    }
}
