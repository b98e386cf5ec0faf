import NIOCore

/// Bytes that are known by their place, to tell what is lost, doubled or out of order: a pattern of 65,521 bytes, over and over.
enum FuzzPattern {
    /// The most bytes that are made or compared at once.
    static let maximumCount = 1 << 18
    private static let period = 65_521

    private static let pattern: ByteBuffer = {
        var state: UInt32 = 1
        let once = (0..<Self.period).map { _ -> UInt8 in
            state = state &* 1_664_525 &+ 1_013_904_223
            return UInt8(truncatingIfNeeded: state >> 24)
        }
        var pattern = ByteBuffer()
        while pattern.readableBytes < Self.maximumCount + Self.period { pattern.writeBytes(once) }
        return pattern
    }()

    private static func slice(at place: Int, _ count: Int) -> ByteBuffer {
        guard let slice = self.pattern.getSlice(at: place % self.period, length: count) else {
            preconditionFailure("\(count) bytes are too many")
        }
        return slice
    }

    /// The bytes from a place on, in a buffer of their own.
    static func bytes(at place: Int, count: Int) -> ByteBuffer {
        ByteBuffer(bytes: self.slice(at: place, count).readableBytesView)
    }

    /// Whether these are the bytes from a place on.
    static func isPattern(_ bytes: ByteBuffer, at place: Int) -> Bool {
        var bytes = bytes
        var place = place
        while let piece = bytes.readSlice(length: min(bytes.readableBytes, self.maximumCount)), piece.readableBytes > 0 {
            guard piece == self.slice(at: place, piece.readableBytes) else { return false }
            place += piece.readableBytes
        }
        return true
    }
}
