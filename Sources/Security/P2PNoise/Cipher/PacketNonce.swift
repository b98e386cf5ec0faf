/// The 96-bit nonce of a record.
struct PacketNonce {
    private let words: (UInt32, UInt32, UInt32)

    /// Four zero bytes, then the counter in little endian (Noise spec, section 12.3).
    init(counter: UInt64) {
        self.words = (0, UInt32(truncatingIfNeeded: counter).littleEndian, UInt32(truncatingIfNeeded: counter >> 32).littleEndian)
    }

    /// Twelve bytes as they are; nil when there are more or fewer.
    init?(bytes: [UInt8]) {
        guard bytes.count == 12 else { return nil }
        var words = (UInt32(0), UInt32(0), UInt32(0))
        Swift.withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
        self.words = words
    }

    /// The twelve bytes.
    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try Swift.withUnsafeBytes(of: self.words, body)
    }
}
