/// What every version of QUIC shows of a packet (RFC 8999), and what version 1 adds for a long header.
package struct QUICPacketHeader: Hashable {
    /// Version 1 (RFC 9000).
    package static let version1: UInt32 = 1

    /// A packet with a long header.
    package struct Long: Hashable {
        package let version: UInt32
        package let destination: QUICConnectionID
        package let source: QUICConnectionID
        /// In version 1: Initial, 0-RTT, Handshake, Retry.
        package let type: UInt8

        package var isInitial: Bool { self.version == QUICPacketHeader.version1 && self.type == 0 }
    }

    package enum Form: Hashable {
        case long(Long)
        /// The connection id is as long as ours are.
        case short(destination: QUICConnectionID)
    }

    package let form: Form

    /// Nil for what is no QUIC packet, or one with ids longer than version 1 has.
    package init?(_ datagram: UnsafeRawBufferPointer) {
        guard let first = datagram.first else { return nil }
        if first & 0x80 == 0 {
            guard datagram.count > QUICConnectionID.localLength,
                let id = QUICConnectionID(UnsafeRawBufferPointer(rebasing: datagram[1..<(1 + QUICConnectionID.localLength)]))
            else { return nil }
            self.form = .short(destination: id)
            return
        }
        guard datagram.count >= 7 else { return nil }
        let version = UInt32(bigEndian: datagram.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
        var rest = datagram.dropFirst(5)
        guard let destination = Self.readID(&rest), let source = Self.readID(&rest) else { return nil }
        self.form = .long(Long(version: version, destination: destination, source: source, type: first >> 4 & 0x03))
    }

    private static func readID(_ rest: inout Slice<UnsafeRawBufferPointer>) -> QUICConnectionID? {
        guard let length = rest.popFirst(), rest.count >= length else { return nil }
        defer { rest = rest.dropFirst(Int(length)) }
        return QUICConnectionID(UnsafeRawBufferPointer(rebasing: rest.prefix(Int(length))))
    }
}
