package import NIOCore

/// Cuts a byte stream into headers and pieces of bodies.
///
/// Nothing accumulates: a header that is split across records waits in twelve bytes of scratch, a body is handed out as it arrives.
package struct YamuxFrameReader: Sendable {
    /// What comes next in the byte stream.
    package enum Part: Equatable, Sendable {
        case header(YamuxHeader)
        /// The next bytes of the last data frame, never empty: a slice, not a copy.
        case body(ByteBuffer)
    }

    private let maximumFrameLength: UInt32
    private var high: UInt64 = 0
    private var low: UInt32 = 0
    /// Bytes of the header that have arrived.
    private var filled = 0
    /// Bytes of the body that have not.
    private var awaited: UInt32 = 0

    package init(maximumFrameLength: UInt32) { self.maximumFrameLength = maximumFrameLength }

    /// Whether the bytes so far end with a whole frame.
    package var isAtBoundary: Bool { self.filled == 0 && self.awaited == 0 }

    /// Takes the next part from `bytes`, or nothing when they are used up.
    package mutating func next(from bytes: inout ByteBuffer) throws(YamuxViolation) -> Part? {
        if self.awaited > 0 {
            let count = min(Int(self.awaited), bytes.readableBytes)
            guard count > 0, let piece = bytes.readSlice(length: count) else { return nil }
            self.awaited -= UInt32(count)
            return .body(piece)
        }
        if self.filled == 0, let (high, low) = bytes.readMultipleIntegers(endianness: .big, as: (UInt64, UInt32).self) {
            return try self.begin(high: high, low: low)
        }
        while self.filled < YamuxHeader.size, let byte = bytes.readInteger(as: UInt8.self) {
            if self.filled < 8 {
                self.high = self.high << 8 | UInt64(byte)
            } else {
                self.low = self.low << 8 | UInt32(byte)
            }
            self.filled += 1
        }
        guard self.filled == YamuxHeader.size else { return nil }
        self.filled = 0
        return try self.begin(high: self.high, low: self.low)
    }

    private mutating func begin(high: UInt64, low: UInt32) throws(YamuxViolation) -> Part {
        let header = try YamuxHeader(high: high, low: low, maximumFrameLength: self.maximumFrameLength)
        self.awaited = header.bodyLength
        return .header(header)
    }
}
