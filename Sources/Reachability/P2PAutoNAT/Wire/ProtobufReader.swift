import NIOCore

/// Reads protobuf's fields one by one; what a message has not asked for is passed over.
struct ProtobufReader {
    enum Value {
        case number(UInt64)
        /// Eight bytes, little-endian (fixed64).
        case fixed(UInt64)
        case bytes(ByteBuffer)
    }

    private var rest: ByteBuffer

    init(_ message: ByteBuffer) {
        self.rest = message
    }

    /// The next field; nil at the end.
    mutating func next() throws(AutoNATError) -> (field: Int, value: Value)? {
        while self.rest.readableBytes > 0 {
            let tag = try self.varint()
            guard tag >> 3 > 0, let field = Int(exactly: tag >> 3) else { throw AutoNATError.malformed }
            switch tag & 7 {
            case 0: return (field, .number(try self.varint()))
            case 1:
                guard let number = self.rest.readInteger(endianness: .little, as: UInt64.self) else { throw AutoNATError.malformed }
                return (field, .fixed(number))
            case 2:
                guard let length = Int(exactly: try self.varint()), let bytes = self.rest.readSlice(length: length) else {
                    throw AutoNATError.malformed
                }
                return (field, .bytes(bytes))
            case 5:
                guard self.rest.readableBytes >= 4 else { throw AutoNATError.malformed }
                self.rest.moveReaderIndex(forwardBy: 4)
            default: throw AutoNATError.malformed
            }
        }
        return nil
    }

    private mutating func varint() throws(AutoNATError) -> UInt64 {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = self.rest.readInteger(as: UInt8.self), shift < 63 || byte <= 1 else { throw AutoNATError.malformed }
            number |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return number }
        }
        throw AutoNATError.malformed
    }
}

/// Writes protobuf's fields.
struct ProtobufWriter {
    private(set) var bytes = ByteBuffer()

    init() {}

    private mutating func varint(_ number: UInt64) {
        var number = number
        while number >= 0x80 {
            self.bytes.writeInteger(UInt8(truncatingIfNeeded: number) | 0x80)
            number >>= 7
        }
        self.bytes.writeInteger(UInt8(number))
    }

    mutating func number(_ field: UInt64, _ value: UInt64) {
        self.varint(field << 3)
        self.varint(value)
    }

    mutating func fixed(_ field: UInt64, _ value: UInt64) {
        self.varint(field << 3 | 1)
        self.bytes.writeInteger(value, endianness: .little)
    }

    mutating func bytes(_ field: UInt64, _ value: some Collection<UInt8>) {
        self.varint(field << 3 | 2)
        self.varint(UInt64(value.count))
        self.bytes.writeBytes(value)
    }

    mutating func message(_ field: UInt64, _ body: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        body(&inner)
        self.bytes(field, inner.bytes.readableBytesView)
    }
}

/// What is wrong with what a peer said.
struct AutoNATError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    static let malformed = AutoNATError("the message is malformed")
}
