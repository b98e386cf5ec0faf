/// Writes the fields of one protobuf message. What is given is written, also a zero: its presence says something.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ number: UInt64, as field: UInt64) {
        self.append(field << 3)
        self.append(number)
    }

    mutating func write(_ bytes: [UInt8], as field: UInt64) {
        self.append(field << 3 | 2)
        self.append(UInt64(bytes.count))
        self.bytes += bytes
    }

    private mutating func append(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            self.bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.bytes.append(UInt8(rest))
    }
}
