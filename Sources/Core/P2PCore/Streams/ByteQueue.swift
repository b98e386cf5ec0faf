package import NIOCore

/// Bytes waiting in order, as the buffers they came in: nothing is copied that is worth keeping whole.
///
/// Two buffers are held inline, because a short stream never has a third. Small pieces behind them are joined to the last
/// buffer, so that a peer who sends one byte at a time costs bytes, not buffers.
package struct ByteQueue: ~Copyable {
    /// Pieces below this size are copied to the end of the last buffer, if that stays below it too.
    package static let joinBelow = 4_096
    /// A piece is copied out when it would keep more than this many times its size alive.
    package static let retainedFactor = 4
    /// A piece is never copied out of a buffer as small as this.
    package static let retainedFreely = 8_192

    private var first: ByteBuffer?
    private var second: ByteBuffer?
    private var rest: CircularBuffer<ByteBuffer>?
    /// How many bytes wait.
    package private(set) var count = 0

    package init() {}

    package var isEmpty: Bool { self.count == 0 }

    /// The largest buffer for what is copied to save memory: NIO's buffers have powers of two.
    package static let savedPiece = 16_384

    /// Adds bytes at the end; of what is in a buffer with room for much more it makes copies that take little more than they hold.
    ///
    /// A slice of a record usually shares that with others, or fills most of it, so this is for when memory is scarce.
    package mutating func appendSaving(_ bytes: ByteBuffer) {
        guard Self.hasRoomForMore(bytes) else { return self.append(bytes) }
        var rest = bytes
        while rest.readableBytes > 0 {
            let size = rest.readableBytes
            // A last piece that fills no more than half of its buffer is cut to what fills one.
            let whole = size < 1_024 ? size : min(Self.savedPiece, 1 << (Int.bitWidth - 1 - size.leadingZeroBitCount))
            guard let piece = rest.readSlice(length: whole) else { return }
            var copy = ByteBufferAllocator().buffer(capacity: whole)
            copy.writeImmutableBuffer(piece)
            self.append(copy)
        }
    }

    /// Whether bytes are in a buffer with room for much more.
    static func hasRoomForMore(_ bytes: ByteBuffer) -> Bool {
        bytes.storageCapacity > bytes.readableBytes + bytes.readableBytes / 8 + 512
    }

    /// Adds bytes at the end.
    package mutating func append(_ bytes: ByteBuffer) {
        let size = bytes.readableBytes
        guard size > 0 else { return }
        self.count += size
        if self.first == nil {
            self.first = Self.compacted(bytes)
            return
        }
        guard var second = self.second.take() else {
            self.second = Self.compacted(bytes)
            return
        }
        defer { self.second = second }
        guard var rest = self.rest.take(), let last = rest.last else {
            if size < Self.joinBelow, second.readableBytes < Self.joinBelow {
                second.writeImmutableBuffer(bytes)
            } else {
                self.rest = [Self.compacted(bytes)]
            }
            return
        }
        if size < Self.joinBelow, last.readableBytes < Self.joinBelow {
            rest[rest.index(before: rest.endIndex)].writeImmutableBuffer(bytes)
        } else {
            rest.append(Self.compacted(bytes))
        }
        self.rest = rest
    }

    /// Puts back bytes that were taken and not used.
    package mutating func prepend(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0 else { return }
        self.count += bytes.readableBytes
        if let second = self.second, self.first != nil {
            if self.rest == nil { self.rest = CircularBuffer(initialCapacity: 4) }
            self.rest?.prepend(second)
        }
        if let first = self.first { self.second = first }
        self.first = bytes
    }

    private mutating func advance() {
        self.first = self.second.take()
        self.second = self.rest?.popFirst()
    }

    /// Takes at most `limit` bytes from the front, as a slice of the buffer they came in.
    package mutating func take(upTo limit: Int) -> ByteBuffer? {
        guard limit > 0, var first = self.first.take() else { return nil }
        if first.readableBytes <= limit {
            self.count -= first.readableBytes
            self.advance()
            return first
        }
        let slice = first.readSlice(length: limit)
        self.count -= limit
        self.first = first
        return slice
    }

    /// Copies at most `limit` bytes from the front to the end of `target`, and says how many.
    package mutating func copy(upTo limit: Int, to target: inout ByteBuffer) -> Int {
        var copied = 0
        while copied < limit, var piece = self.first.take() {
            let size = min(limit - copied, piece.readableBytes)
            piece.readWithUnsafeReadableBytes { source in
                target.writeBytes(UnsafeRawBufferPointer(rebasing: source.prefix(size)))
            }
            copied += size
            if piece.readableBytes > 0 { self.first = piece } else { self.advance() }
        }
        self.count -= copied
        return copied
    }

    /// Drops everything, and says how many bytes that was.
    @discardableResult
    package mutating func removeAll() -> Int {
        let dropped = self.count
        self.first = nil
        self.second = nil
        self.rest = nil
        self.count = 0
        return dropped
    }

    /// A small slice of a large record would keep the whole record alive for as long as nobody reads it.
    package static func compacted(_ bytes: ByteBuffer) -> ByteBuffer {
        guard bytes.storageCapacity > Self.retainedFreely, bytes.storageCapacity / Self.retainedFactor > bytes.readableBytes
        else { return bytes }
        var copy = ByteBufferAllocator().buffer(capacity: bytes.readableBytes)
        copy.writeImmutableBuffer(bytes)
        return copy
    }
}
