/// The multiformats unsigned varint: seven bits a byte, least significant first, at most nine bytes.
///
/// Only the shortest spelling of a number is valid (unsigned-varint spec, "Specification"), so equal values have equal bytes.
public enum UnsignedVarint {
    /// The longest encoding, in bytes (unsigned-varint spec, "Practical maximum of 9 bytes").
    public static let maxLength = 9
    /// The largest value that nine bytes can carry: 2^63 - 1.
    public static let maxValue = UInt64(Int64.max)

    /// The number of bytes that `value` takes, 1 to 9 (10 for a value above `maxValue`, which no peer accepts).
    public static func encodedLength(of value: UInt64) -> Int {
        let significantBits = UInt64.bitWidth - value.leadingZeroBitCount
        return max(1, (significantBits + 6) / 7)
    }

    /// The bytes of `value`.
    ///
    /// - Precondition: `value` is at most `maxValue`.
    public static func encode(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(self.encodedLength(of: value))
        self.append(value, to: &bytes)
        return bytes
    }

    /// Appends the bytes of `value` to `bytes`.
    ///
    /// - Precondition: `value` is at most `maxValue`.
    public static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        precondition(value <= self.maxValue, "an unsigned varint carries at most 2^63 - 1")
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Reads the varint at the start of `bytes`; what follows it is left alone.
    ///
    /// - Returns: the value, and the number of bytes it took.
    /// - Throws: `.truncated`, `.notCanonical` (a longer spelling than needed) or `.tooLong` (more than nine bytes).
    @inlinable public static func decode(_ bytes: some Collection<UInt8>) throws(MultiformatsError) -> (value: UInt64, length: Int) {
        var decoder = VarintAccumulator()
        for byte in bytes {
            if let value = try decoder.take(byte) {
                return (value, decoder.length)
            }
        }
        throw decoder.truncated
    }
}

/// Collects the bytes of one varint and says when it is complete.
@usableFromInline package struct VarintAccumulator: Sendable {
    /// Bytes that were taken so far.
    @usableFromInline package private(set) var length = 0
    private var value: UInt64 = 0

    @usableFromInline package init() {}

    /// What is wrong when nothing follows.
    @usableFromInline var truncated: MultiformatsError {
        MultiformatsError(.truncated, "a varint ends after \(self.length) bytes with more to come")
    }

    /// Takes the next byte; returns the value when this was the last one.
    @usableFromInline package mutating func take(_ byte: UInt8) throws(MultiformatsError) -> UInt64? {
        self.value |= UInt64(byte & 0x7f) << UInt64(7 * self.length)
        self.length += 1
        if byte < 0x80 {
            if byte == 0, self.length > 1 {
                throw MultiformatsError(.notCanonical, "a varint of \(self.length) bytes has a shorter spelling")
            }
            return self.value
        }
        if self.length == UnsignedVarint.maxLength {
            throw MultiformatsError(.tooLong, "a varint is longer than \(UnsignedVarint.maxLength) bytes")
        }
        return nil
    }
}
