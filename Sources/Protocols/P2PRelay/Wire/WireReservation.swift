import NIOCore
import P2PProtobuf

/// A reservation as it travels: nothing of it is believed yet.
struct WireReservation: Hashable {
    /// Addresses that are read of one reservation.
    static let addressLimit = 32

    /// By the relay's clock, in seconds since 1970.
    var expire: UInt64?
    /// The relay's own addresses, as bytes.
    var addresses: [[UInt8]] = []
    /// A ``RelayVoucher`` in a signed envelope.
    var voucher: [UInt8]?

    init(expire: UInt64, addresses: [[UInt8]], voucher: [UInt8]?) {
        self.expire = expire
        self.addresses = addresses
        self.voucher = voucher
    }

    init(_ bytes: ByteBuffer) throws(RelayError) {
        var reader = WireReader(bytes)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .varint(let expire)): self.expire = expire
            case (2, .bytes(let address)) where self.addresses.count < Self.addressLimit:
                self.addresses.append(Array(address.readableBytesView))
            case (3, .bytes(let voucher)): self.voucher = Array(voucher.readableBytesView)
            default: break
            }
        }
    }

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        if let expire { writer.write(1, varint: expire) }
        for address in self.addresses { writer.write(2, bytes: address) }
        if let voucher { writer.write(3, bytes: voucher) }
        return writer.bytes
    }
}
