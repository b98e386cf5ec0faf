/// A connection id: what the two sides call a connection, each in its own way (RFC 9000, section 5.1).
package struct QUICConnectionID: Hashable, Sendable {
    /// The longest that version 1 has.
    package static let maximumLength = 20
    /// Our own have this length; packets with a short header don't say theirs.
    package static let localLength = 8

    private let first: UInt64
    private let second: UInt64
    private let third: UInt32
    /// In bytes.
    package let count: UInt8

    /// Nil when there are more than 20 bytes.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Self.maximumLength, let count = UInt8(exactly: bytes.count) else { return nil }
        var words: (UInt64, UInt64, UInt32) = (0, 0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
        (self.first, self.second, self.third) = words
        self.count = count
    }

    /// One of our own.
    package init(local number: UInt64) {
        self.first = number
        self.second = 0
        self.third = 0
        self.count = UInt8(Self.localLength)
    }

    /// Copies the bytes to where they are needed.
    func copy(to target: UnsafeMutableRawBufferPointer) {
        withUnsafeBytes(of: (self.first, self.second, self.third)) {
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(min(Int(self.count), target.count))))
        }
    }

    /// The bytes.
    package var bytes: [UInt8] {
        withUnsafeBytes(of: (self.first, self.second, self.third)) { Array($0.prefix(Int(self.count))) }
    }
}

/// The 16 bytes that end a stateless reset (RFC 9000, section 10.3).
package struct QUICResetToken: Hashable, Sendable {
    static let length = 16

    private let high: UInt64
    private let low: UInt64

    /// Nil unless there are 16 bytes.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.length else { return nil }
        self.high = bytes.loadUnaligned(as: UInt64.self)
        self.low = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }

    /// The bytes.
    var bytes: [UInt8] { withUnsafeBytes(of: (self.high, self.low)) { Array($0) } }
}
