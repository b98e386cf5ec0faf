package import NIOCore
import P2PMultiformats

/// Cuts a byte stream into headers and pieces of bodies.
///
/// Nothing accumulates: a header that is split across records waits as two numbers, a body is handed out as it arrives.
package struct MplexFrameReader: Sendable {
    /// What comes next in the byte stream.
    package enum Part: Equatable, Sendable {
        case header(MplexHeader)
        /// The next bytes of the last frame's body, never empty: a slice, not a copy.
        case body(ByteBuffer)
    }

    private var varint = VarintAccumulator()
    /// The first varint of a header whose second one is not whole yet.
    private var first: (flag: MplexFlag, number: UInt64)?
    /// Bytes of the body that have not arrived.
    private var awaited = 0

    package init() {}

    /// Whether the bytes so far end with a whole frame.
    package var isAtBoundary: Bool { self.varint.length == 0 && self.first == nil && self.awaited == 0 }

    /// Takes the next part from `bytes`, or nothing when they are used up.
    package mutating func next(from bytes: inout ByteBuffer) throws(MplexViolation) -> Part? {
        if self.awaited > 0 {
            let count = min(self.awaited, bytes.readableBytes)
            guard count > 0, let piece = bytes.readSlice(length: count) else { return nil }
            self.awaited -= count
            return .body(piece)
        }
        while let byte = bytes.readInteger(as: UInt8.self) {
            guard let value = try self.take(byte) else { continue }
            guard let (flag, number) = self.first else {
                let rawFlag = UInt8(truncatingIfNeeded: value & 0b111)
                guard let flag = MplexFlag(rawValue: rawFlag) else { throw .flag(rawFlag) }
                self.first = (flag, value >> 3)
                continue
            }
            self.first = nil
            guard value <= UInt64(MplexConfiguration.maximumFrameLength) else { throw .frameTooLong(value) }
            let header = MplexHeader(flag, number, length: Int(value))
            guard flag.hasBody || value == 0 else { throw .unexpectedBody(header) }
            self.awaited = header.length
            return .header(header)
        }
        return nil
    }

    private mutating func take(_ byte: UInt8) throws(MplexViolation) -> UInt64? {
        do {
            guard let value = try self.varint.take(byte) else { return nil }
            self.varint = VarintAccumulator()
            return value
        } catch {
            throw .varint(error)
        }
    }
}
