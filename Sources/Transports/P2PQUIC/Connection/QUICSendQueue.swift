import NIOCore

/// Bytes of one stream on their way: not yet sent, or sent and not yet acknowledged.
///
/// The library sends again from where the bytes lie, so they stay until the peer has acknowledged them. One chunk is held inline, because a short
/// stream, and one that talks now and then, never has a second on its way.
struct QUICSendQueue: ~Copyable {
    private var first: ByteBuffer?
    /// What follows ``first``; nil until there is something, and again when nothing is kept.
    private var rest: CircularBuffer<ByteBuffer>?
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
        self.end += UInt64(chunk.readableBytes)
        if self.first == nil {
            self.first = chunk
        } else {
            if self.rest == nil { self.rest = CircularBuffer(initialCapacity: 2) }
            self.rest?.append(chunk)
        }
    }

    /// Hands out what waits, in at most `limit` pieces.
    ///
    /// The pointers stay good for as long as the bytes are kept: a chunk's storage is never written to again.
    func forEachUnsent(limit: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        // A chunk of which a part was dropped is kept whole.
        guard self.unsent > 0 else { return }
        var skip = Int(self.sent - self.cursorStart)
        for index in self.cursor..<min(self.count, self.cursor + limit) {
            self[index].withUnsafeReadableBytes { body(UnsafeRawBufferPointer(rebasing: $0.dropFirst(skip))) }
            skip = 0
        }
    }

    /// `count` bytes went into a packet.
    mutating func advance(by count: Int) {
        self.sent += UInt64(min(count, self.unsent))
        while self.cursor < self.count {
            let size = UInt64(self[self.cursor].readableBytes)
            guard self.cursorStart + size <= self.sent else { break }
            self.cursorStart += size
            self.cursor += 1
        }
    }

    /// The peer has everything before `offset`.
    mutating func acknowledge(upTo offset: UInt64) {
        while self.cursor > 0, let first = self.first, self.start + UInt64(first.readableBytes) <= offset {
            self.start += UInt64(first.readableBytes)
            self.first = self.rest?.popFirst()
            self.cursor -= 1
        }
        if self.first == nil { self.rest = nil }
    }

    /// Forgets what was not sent, and says how much that was.
    @discardableResult
    mutating func dropUnsent() -> Int {
        let dropped = self.unsent
        while self.count > self.cursor + (self.sent > self.cursorStart ? 1 : 0) {
            if self.rest?.popLast() == nil { self.first = nil }
        }
        self.end = self.sent
        return dropped
    }

    private var count: Int { self.first == nil ? 0 : 1 + (self.rest?.count ?? 0) }

    private subscript(index: Int) -> ByteBuffer {
        guard index > 0, let rest = self.rest else { return self.first ?? ByteBuffer() }
        return rest[rest.index(rest.startIndex, offsetBy: index - 1)]
    }
}
