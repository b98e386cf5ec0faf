import NIOCore
import P2PMultiformats

/// The fields of a small message in protobuf's encoding, which is all of it that the two messages of tunnels need.
struct TunnelFields: Sendable {
    /// A field's value, by how it is encoded.
    enum Value: Sendable {
        case number(UInt64)
        case bytes(ByteBuffer)
    }

    /// The message is not one.
    struct Malformed: Error {}

    private var rest: ByteBuffer

    init(_ message: ByteBuffer) { self.rest = message }

    /// The next field; nil at the end. Fixed-width values, which no message has, are skipped.
    mutating func next() throws(Malformed) -> (number: UInt64, value: Value)? {
        while self.rest.readableBytes > 0 {
            let key = try self.varint()
            guard key >> 3 > 0 else { throw Malformed() }
            switch key & 7 {
            case 0: return (key >> 3, .number(try self.varint()))
            case 2:
                guard let length = Int(exactly: try self.varint()), let bytes = self.rest.readSlice(length: length) else {
                    throw Malformed()
                }
                return (key >> 3, .bytes(bytes))
            case 1: guard self.rest.readSlice(length: 8) != nil else { throw Malformed() }
            case 5: guard self.rest.readSlice(length: 4) != nil else { throw Malformed() }
            default: throw Malformed()
            }
        }
        return nil
    }

    private mutating func varint() throws(Malformed) -> UInt64 {
        do {
            if let value = try self.rest.readUnsignedVarint() { return value }
        } catch {}
        throw Malformed()
    }
}

extension ByteBuffer {
    /// Writes a number; what is 0 is left out.
    mutating func writeField(_ number: UInt64, _ value: UInt64) {
        guard value != 0 else { return }
        self.writeUnsignedVarint(number << 3)
        self.writeUnsignedVarint(value)
    }

    /// Writes a text; what is empty is left out.
    mutating func writeField(_ number: UInt64, _ text: String) {
        guard !text.isEmpty else { return }
        self.writeUnsignedVarint(number << 3 | 2)
        self.writeUnsignedVarint(UInt64(text.utf8.count))
        self.writeString(text)
    }

    /// The bytes as text; nil when they are not UTF-8.
    func text() -> String? { String(validating: self.readableBytesView, as: UTF8.self) }
}
