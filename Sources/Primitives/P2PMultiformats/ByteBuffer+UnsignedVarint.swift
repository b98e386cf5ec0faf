public import NIOCore

extension ByteBuffer {
    /// Writes `value` as an unsigned varint at the writer index.
    ///
    /// - Precondition: `value` is at most `UnsignedVarint.maxValue`.
    /// - Returns: the number of bytes written, 1 to 9.
    @discardableResult
    public mutating func writeUnsignedVarint(_ value: UInt64) -> Int {
        precondition(value <= UnsignedVarint.maxValue, "an unsigned varint carries at most 2^63 - 1")
        var rest = value
        var written = 0
        while rest >= 0x80 {
            written += self.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return written + self.writeInteger(UInt8(truncatingIfNeeded: rest))
    }

    /// Reads an unsigned varint at the reader index.
    ///
    /// - Returns: the value, or nil when more bytes are needed; the reader index then stays where it was.
    /// - Throws: `.notCanonical` or `.tooLong`, with the reader index unchanged: no later byte can repair such input.
    public mutating func readUnsignedVarint() throws(MultiformatsError) -> UInt64? {
        var accumulator = VarintAccumulator()
        while let byte = self.getInteger(at: self.readerIndex + accumulator.length, as: UInt8.self) {
            if let value = try accumulator.take(byte) {
                self.moveReaderIndex(forwardBy: accumulator.length)
                return value
            }
        }
        return nil
    }
}
