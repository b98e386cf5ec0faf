import P2PCore
package import P2PMultiaddr

/// A message of the two that want a direct connection (libp2p specs, "DCUtR").
package struct PunchMessage: Hashable {
    enum Kind: Hashable {
        case connect
        case sync
        case other(UInt64)

        init(_ number: UInt64) {
            switch number {
            case 100: self = .connect
            case 300: self = .sync
            default: self = .other(number)
            }
        }

        var number: UInt64 {
            switch self {
            case .connect: 100
            case .sync: 300
            case .other(let number): number
            }
        }
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
        var reader = WireReader(bytes[...])
        var kind: Kind?
        var count = 0
        self.addresses = []
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .number(let number)): kind = Kind(number)
            case (2, .bytes(let bytes)):
                count += 1
                guard count <= Self.addressLimit, let address = try? Multiaddr(bytes: bytes) else { continue }
                self.addresses.append(address)
            default: break
            }
        }
        guard let kind else { throw WireReader.malformed("it has no type") }
        self.kind = kind
    }

    package var encoded: [UInt8] {
        var writer = WireWriter()
        writer.write(self.kind.number, as: 1)
        for address in self.addresses { writer.write(address.bytes, as: 2) }
        return writer.bytes
    }
}
