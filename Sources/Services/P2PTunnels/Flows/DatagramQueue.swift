import NIOCore

/// Datagrams that wait for room: those that came last, since an old one is worth less than a new one.
struct DatagramQueue: Sendable {
    /// Datagrams that wait, at most.
    static let maximumCount = 64
    /// Their bytes, at most.
    static let maximumBytes = 256 * 1_024

    private var datagrams = CircularBuffer<ByteBuffer>()
    private(set) var bytes = 0

    var isEmpty: Bool { self.datagrams.isEmpty }
    var count: Int { self.datagrams.count }

    /// Adds one, and says how many had to make room for it.
    mutating func append(_ datagram: ByteBuffer) -> Int {
        self.datagrams.append(datagram)
        self.bytes += datagram.readableBytes
        var dropped = 0
        while self.datagrams.count > Self.maximumCount || self.bytes > Self.maximumBytes, self.popFirst() != nil { dropped += 1 }
        return dropped
    }

    mutating func popFirst() -> ByteBuffer? {
        guard let first = self.datagrams.popFirst() else { return nil }
        self.bytes -= first.readableBytes
        return first
    }
}
