import NIOCore

/// Packets that need no connection and no keys.
enum QUICStatelessPackets {
    /// Version Negotiation: we speak version 1 (RFC 9000, section 17.2.1).
    ///
    /// - Parameter unused: seven bits that mean nothing.
    static func versionNegotiation(answering header: QUICPacketHeader.Long, unused: UInt8) -> [UInt8] {
        var packet: [UInt8] = [0x80 | unused, 0, 0, 0, 0]
        packet.append(header.source.count)
        packet += header.source.bytes
        packet.append(header.destination.count)
        packet += header.destination.bytes
        packet += withUnsafeBytes(of: QUICPacketHeader.version1.bigEndian) { Array($0) }
        return packet
    }

    /// A stateless reset: looks like any packet, and ends with the token (RFC 9000, section 10.3).
    static func reset(token: [UInt8], noise: [UInt8]) -> [UInt8] {
        var packet = noise
        if let first = packet.first { packet[0] = first & 0x3f | 0x40 }
        return packet + token
    }
}
