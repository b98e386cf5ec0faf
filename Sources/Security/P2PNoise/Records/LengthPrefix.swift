import NIOCore

/// Reads the two bytes in front of every handshake message and record, which may arrive one by one.
struct LengthPrefix {
    private var first: UInt8?

    /// Whether one of the two bytes has arrived.
    var isPartial: Bool { self.first != nil }

    /// The length that was announced, in big endian; nil while bytes are missing.
    mutating func read(from input: inout ByteBuffer) -> Int? {
        if self.first == nil {
            if let length = input.readInteger(as: UInt16.self) { return Int(length) }
            self.first = input.readInteger(as: UInt8.self)
            return nil
        }
        guard let first = self.first, let second = input.readInteger(as: UInt8.self) else { return nil }
        self.first = nil
        return Int(first) << 8 | Int(second)
    }
}
