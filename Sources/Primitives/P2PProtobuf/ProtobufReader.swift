package import NIOCore

/// Reads the fields of a protobuf message one by one, so that whoever reads decides what is kept, and how much of it, before anything is copied.
///
/// A value, without recursion: a message within is bytes, for a reader of its own (protobuf, "Encoding").
package struct ProtobufReader {
    /// One field as it stands in the message.
    package struct Field {
        /// Which field it is.
        package let number: Int
        /// What it holds.
        package let value: Value
    }

    /// What a field holds, by its wire type.
    package enum Value {
        case varint(UInt64)
        case bytes(ByteBuffer)
        case fixed64(UInt64)
        case fixed32(UInt32)
    }

    /// The highest number that a field may have.
    private static let highestNumber = 1 << 29 - 1

    private var rest: ByteBuffer

    package init(_ message: ByteBuffer) { self.rest = message }

    /// The next field; nil at the end.
    ///
    /// - Throws: ``ProtobufError`` for what is no message, groups included, which nobody uses any more.
    package mutating func next() throws(ProtobufError) -> Field? {
        guard self.rest.readableBytes > 0 else { return nil }
        let key = try self.varint()
        let number = key >> 3
        guard number > 0, number <= UInt64(Self.highestNumber) else { throw .invalidNumber }
        let value: Value
        switch key & 7 {
        case 0: value = .varint(try self.varint())
        case 1:
            guard let number = self.rest.readInteger(endianness: .little, as: UInt64.self) else { throw .truncated }
            value = .fixed64(number)
        case 2:
            let length = try self.varint()
            guard length <= UInt64(self.rest.readableBytes), let bytes = self.rest.readSlice(length: Int(length)) else {
                throw .truncated
            }
            value = .bytes(bytes)
        case 5:
            guard let number = self.rest.readInteger(endianness: .little, as: UInt32.self) else { throw .truncated }
            value = .fixed32(number)
        default: throw .invalidWireType
        }
        return Field(number: Int(number), value: value)
    }

    /// At most ten bytes, of which the last has room for one bit: a number of more than 64 bits is refused, and not read as another.
    private mutating func varint() throws(ProtobufError) -> UInt64 {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = self.rest.readInteger(as: UInt8.self) else { throw .truncated }
            guard shift < 63 || byte <= 1 else { throw .varintTooLong }
            number |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return number }
        }
        throw .varintTooLong
    }
}

extension ProtobufReader.Field {
    /// The bytes, if it holds bytes.
    package var bytes: ByteBuffer? {
        guard case .bytes(let bytes) = self.value else { return nil }
        return bytes
    }

    /// The bytes as an array of its own, if it holds bytes.
    package var array: [UInt8]? { self.bytes.map { Array($0.readableBytesView) } }

    /// The number, if it is one of variable length.
    package var varint: UInt64? {
        guard case .varint(let number) = self.value else { return nil }
        return number
    }
}

/// Why bytes are no protobuf message.
package enum ProtobufError: Error, Hashable {
    /// A field goes on behind the end.
    case truncated
    /// A number has more than 64 bits.
    case varintTooLong
    /// No field has that number.
    case invalidNumber
    /// A group, or a wire type that does not exist.
    case invalidWireType
}

extension ProtobufError: CustomStringConvertible {
    /// As the reason behind "no message: ".
    package var description: String {
        switch self {
        case .truncated: "a field goes beyond the end"
        case .varintTooLong: "a number has more than 64 bits"
        case .invalidNumber: "a field has a number that none may have"
        case .invalidWireType: "a field has a wire type that there is not"
        }
    }
}
