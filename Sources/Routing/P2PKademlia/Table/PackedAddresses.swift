import P2PMultiaddr

/// Addresses as one piece of memory: a table keeps them for every peer, and most are never looked at.
struct PackedAddresses: Hashable, Sendable {
    /// Each address behind its length of two bytes.
    private let bytes: [UInt8]

    init(_ addresses: some Sequence<Multiaddr>) {
        var bytes: [UInt8] = []
        for address in addresses {
            // An address has 4,096 bytes at most.
            bytes.append(UInt8(truncatingIfNeeded: address.bytes.count >> 8))
            bytes.append(UInt8(truncatingIfNeeded: address.bytes.count))
            bytes += address.bytes
        }
        self.bytes = bytes
    }

    /// How much memory they take up, without the reference.
    var size: Int { self.bytes.count }

    /// The addresses, read again.
    var addresses: [Multiaddr] {
        var addresses: [Multiaddr] = []
        var rest = self.bytes[...]
        while rest.count >= 2 {
            let length = Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
            rest = rest.dropFirst(2)
            if let address = try? Multiaddr(bytes: rest.prefix(length)) { addresses.append(address) }
            rest = rest.dropFirst(length)
        }
        return addresses
    }
}
