import NIOCore

/// Bytes of one stream on their way: not yet sent, or sent and not yet acknowledged.
///
/// The library sends again from where the bytes lie, so they stay until the peer has acknowledged them.
struct QUICSendQueue: ~Copyable {
    private var chunks = CircularBuffer<ByteBuffer>(initialCapacity: 0)
    /// Where the first chunk begins in the stream.
    private var start: UInt64 = 0
    /// Where the next byte to send lies.
    private(set) var sent: UInt64 = 0
    private var end: UInt64 = 0
    /// The chunk that the next byte lies in, and where that chunk begins in the stream.
    private var cursor = 0
    private var cursorStart: UInt64 = 0

    /// Bytes that wait to be sent.
    var unsent: Int { Int(self.end - self.sent) }
    /// Bytes that are kept.
    var retained: Int { Int(self.end - self.start) }

    mutating func append(_ chunk: ByteBuffer) {
        guard chunk.readableBytes > 0 else { return }
        self.chunks.append(chunk)
        self.end += UInt64(chunk.readableBytes)
    }

    /// Hands out what waits, in at most `limit` pieces.
    ///
    /// The pointers stay good for as long as the bytes are kept: a chunk's storage is never written to again.
    func forEachUnsent(limit: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        var skip = Int(self.sent - self.cursorStart)
        for chunk in self.chunks.dropFirst(self.cursor).prefix(limit) {
            chunk.withUnsafeReadableBytes { body(UnsafeRawBufferPointer(rebasing: $0.dropFirst(skip))) }
            skip = 0
        }
    }

    /// `count` bytes went into a packet.
    mutating func advance(by count: Int) {
        self.sent += UInt64(min(count, self.unsent))
        while self.cursor < self.chunks.count {
            let size = UInt64(self.chunks[self.chunks.index(self.chunks.startIndex, offsetBy: self.cursor)].readableBytes)
            guard self.cursorStart + size <= self.sent else { break }
            self.cursorStart += size
            self.cursor += 1
        }
    }

    /// The peer has everything before `offset`.
    mutating func acknowledge(upTo offset: UInt64) {
        while let first = self.chunks.first, self.cursor > 0, self.start + UInt64(first.readableBytes) <= offset {
            self.start += UInt64(first.readableBytes)
            self.chunks.removeFirst()
            self.cursor -= 1
        }
    }

    /// Forgets what was not sent, and says how much that was.
    @discardableResult
    mutating func dropUnsent() -> Int {
        let dropped = self.unsent
        while self.chunks.count > self.cursor + (self.sent > self.cursorStart ? 1 : 0) { self.chunks.removeLast() }
        self.end = self.sent
        return dropped
    }
}
