import P2PCore

/// Reads the fields of one protobuf message (protobuf, "Encoding"), never beyond its end.
struct WireReader {
    enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
        /// Of a type that none of our fields has.
        case other
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.rest = bytes }

    /// The next field; nil at the end.
    mutating func next() throws(RelayError) -> (field: UInt64, value: Value)? {
        guard !self.rest.isEmpty else { return nil }
        let key = try self.varint()
        switch key & 7 {
        case 0: return (key >> 3, .number(try self.varint()))
        case 1: return (key >> 3, try self.skip(8))
        case 2: return (key >> 3, .bytes(try self.take(try self.varint())))
        case 5: return (key >> 3, try self.skip(4))
        default: throw Self.malformed("a field has the wire type \(key & 7)")
        }
    }

    private mutating func skip(_ count: UInt64) throws(RelayError) -> Value {
        _ = try self.take(count)
        return .other
    }

    private mutating func take(_ count: UInt64) throws(RelayError) -> ArraySlice<UInt8> {
        guard count <= UInt64(self.rest.count) else { throw Self.malformed("a field goes beyond the end") }
        let taken = self.rest.prefix(Int(count))
        self.rest = self.rest.dropFirst(Int(count))
        return taken
    }

    /// Protobuf's varint, up to ten bytes, of which the last has one bit to say.
    private mutating func varint() throws(RelayError) -> UInt64 {
        var number: UInt64 = 0
        for (index, byte) in self.rest.prefix(10).enumerated() {
            guard index < 9 || byte <= 1 else { throw Self.malformed("a number has more than 64 bits") }
            number |= UInt64(byte & 0x7f) << (7 * UInt64(index))
            guard byte < 0x80 else { continue }
            self.rest = self.rest.dropFirst(index + 1)
            return number
        }
        throw Self.malformed("a number has no end")
    }

    static func malformed(_ why: String) -> RelayError { RelayError(.malformed, "no relay message: \(why)") }
}
