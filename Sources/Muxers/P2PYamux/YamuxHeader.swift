package import NIOCore

/// The 12 bytes in front of every frame (yamux spec, "Framing"), big endian:
/// version, type, flags (16 bits), stream id (32), length (32).
package struct YamuxHeader: Equatable, Sendable {
    /// Bytes of a header on the wire.
    package static let size = 12
    /// The one version there is.
    static let version: UInt8 = 0

    package var type: YamuxFrameType
    package var flags: YamuxFlags
    /// 0 for ping and go away.
    package var streamID: UInt32
    /// Payload bytes, credit, ping value or code, by type.
    package var length: UInt32

    package init(type: YamuxFrameType, flags: YamuxFlags, streamID: UInt32, length: UInt32) {
        self.type = type
        self.flags = flags
        self.streamID = streamID
        self.length = length
    }

    /// Bytes that follow this header.
    package var bodyLength: UInt32 { self.type == .data ? self.length : 0 }
}

extension YamuxHeader {
    /// Reads a header from its first eight and last four bytes.
    ///
    /// - Throws: what is out of range; ids and credit are the session's to judge.
    init(high: UInt64, low: UInt32, maximumFrameLength: UInt32) throws(YamuxViolation) {
        let version = UInt8(truncatingIfNeeded: high >> 56)
        guard version == Self.version else { throw .version(version) }
        let rawType = UInt8(truncatingIfNeeded: high >> 48)
        guard let type = YamuxFrameType(rawValue: rawType) else { throw .type(rawType) }
        let flags = YamuxFlags(rawValue: UInt16(truncatingIfNeeded: high >> 32))
        guard flags.isSubset(of: .known) else { throw .flags(flags.rawValue) }
        let length = low
        switch type {
        case .data:
            guard length <= maximumFrameLength else { throw .frameTooLong(length) }
        case .windowUpdate:
            break
        case .ping:
            guard flags == .syn || flags == .ack else { throw .flags(flags.rawValue) }
        case .goAway:
            guard flags.isEmpty else { throw .flags(flags.rawValue) }
        }
        self.init(type: type, flags: flags, streamID: UInt32(truncatingIfNeeded: high), length: length)
    }

    /// The first eight bytes as one integer.
    var high: UInt64 {
        UInt64(Self.version) << 56 | UInt64(self.type.rawValue) << 48 | UInt64(self.flags.rawValue) << 32 | UInt64(self.streamID)
    }
}

extension ByteBuffer {
    /// Appends a frame header.
    package mutating func writeYamuxHeader(_ header: YamuxHeader) {
        self.writeMultipleIntegers(header.high, header.length)
    }

    /// Overwrites twelve bytes at `index` with a frame header.
    mutating func setYamuxHeader(_ header: YamuxHeader, at index: Int) {
        self.setInteger(header.high, at: index)
        self.setInteger(header.length, at: index + 8)
    }
}
