/// Numbers in network byte order, as PCP and NAT-PMP have them.
extension [UInt8] {
    mutating func append<Number: FixedWidthInteger>(bigEndian number: Number) {
        Swift.withUnsafeBytes(of: number.bigEndian) { self.append(contentsOf: $0) }
    }

    /// The number at an offset; the caller has looked that there are so many bytes.
    func number<Number: FixedWidthInteger & UnsignedInteger>(_: Number.Type = Number.self, at offset: Int) -> Number {
        self[offset..<offset + Number.bitWidth / 8].reduce(0) { $0 << 8 | Number($1) }
    }
}
