package import NIOCore

/// Writes the fields of a protobuf message in the order in which it is told (protobuf, "Encoding").
package struct ProtobufWriter {
    /// The message so far.
    package private(set) var buffer: ByteBuffer

    package init(capacity: Int = 128) { self.buffer = ByteBufferAllocator().buffer(capacity: capacity) }

    /// The message so far, as an array.
    package var bytes: [UInt8] { Array(self.buffer.readableBytesView) }

    /// Bytes so far.
    package var count: Int { self.buffer.readableBytes }

    /// A number, also when it is zero; proto3 leaves that out, which is for the caller to do.
    package mutating func write(_ number: Int, varint value: UInt64) {
        self.varint(UInt64(number) << 3)
        self.varint(value)
    }

    /// Eight bytes, little-endian.
    package mutating func write(_ number: Int, fixed64 value: UInt64) {
        self.varint(UInt64(number) << 3 | 1)
        self.buffer.writeInteger(value, endianness: .little)
    }

    /// Bytes, a text's UTF-8 or a message within.
    package mutating func write(_ number: Int, bytes: some Collection<UInt8>) {
        self.varint(UInt64(number) << 3 | 2)
        self.varint(UInt64(bytes.count))
        self.buffer.writeBytes(bytes)
    }

    /// A message within, or bytes that stand in a buffer.
    package mutating func write(_ number: Int, message: ByteBuffer) {
        self.varint(UInt64(number) << 3 | 2)
        self.varint(UInt64(message.readableBytes))
        self.buffer.writeImmutableBuffer(message)
    }

    private mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            self.buffer.writeInteger(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        self.buffer.writeInteger(UInt8(truncatingIfNeeded: value))
    }

    /// How many bytes a field of so many bytes takes up.
    package static func size(ofField number: Int, bytes count: Int) -> Int {
        self.size(of: UInt64(number) << 3) + self.size(of: UInt64(count)) + count
    }

    /// How many bytes a number of variable length takes up.
    package static func size(of value: UInt64) -> Int { max(1, (64 - value.leadingZeroBitCount + 6) / 7) }
}
