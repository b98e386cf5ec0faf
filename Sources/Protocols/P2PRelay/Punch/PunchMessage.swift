import NIOCore
import P2PCore
package import P2PMultiaddr
import P2PProtobuf

/// A message of the two that want a direct connection (libp2p specs, "DCUtR").
package struct PunchMessage: Hashable {
    /// An open set, as numbers on the wire.
    struct Kind: RawRepresentable, Hashable {
        let rawValue: UInt64

        static let connect = Kind(rawValue: 100)
        static let sync = Kind(rawValue: 300)
    }

    /// Addresses that are read of one message; those beyond are not.
    static let addressLimit = 64

    var kind: Kind
    /// Where the sender is seen. What can't be read is left out.
    package var addresses: [Multiaddr]

    init(_ kind: Kind, addresses: [Multiaddr] = []) {
        self.kind = kind
        self.addresses = addresses
    }

    /// Reads the message; fields that are unknown mean nothing.
    package init(_ bytes: [UInt8]) throws(RelayError) {
        var reader = WireReader(ByteBuffer(bytes: bytes))
        var kind: Kind?
        var count = 0
        self.addresses = []
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .varint(let number)): kind = Kind(rawValue: number)
            case (2, .bytes(let bytes)):
                count += 1
                guard count <= Self.addressLimit, let address = try? Multiaddr(bytes: bytes.readableBytesView) else { continue }
                self.addresses.append(address)
            default: break
            }
        }
        guard let kind else { throw WireReader.malformed("it has no type") }
        self.kind = kind
    }

    package var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.write(1, varint: self.kind.rawValue)
        for address in self.addresses { writer.write(2, bytes: address.bytes) }
        return writer.bytes
    }
}
