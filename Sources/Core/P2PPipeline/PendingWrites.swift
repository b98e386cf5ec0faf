import NIOCore

/// Writes that a stream has not taken yet, in order, with the mark behind the last that was flushed.
struct PendingWrites {
    private struct Write {
        let bytes: ByteBuffer
        let promise: EventLoopPromise<Void>?
    }

    private var writes = CircularBuffer<Write>(initialCapacity: 0)
    private var flushed = 0
    /// Bytes that wait here.
    private(set) var byteCount = 0

    var isEmpty: Bool { self.writes.isEmpty }
    var hasFlushed: Bool { self.flushed > 0 }

    mutating func append(_ bytes: ByteBuffer, promise: EventLoopPromise<Void>?) {
        self.writes.append(Write(bytes: bytes, promise: promise))
        self.byteCount += bytes.readableBytes
    }

    /// Everything that was written so far may leave.
    mutating func mark() {
        self.flushed = self.writes.count
    }

    /// Takes the first write that was flushed.
    mutating func popFlushed() -> (bytes: ByteBuffer, promise: EventLoopPromise<Void>?)? {
        guard self.flushed > 0, let write = self.writes.popFirst() else { return nil }
        self.flushed -= 1
        self.byteCount -= write.bytes.readableBytes
        return (write.bytes, write.promise)
    }

    /// Takes out everything, for its promises to be failed.
    mutating func removeAll() -> [EventLoopPromise<Void>] {
        defer { self = PendingWrites() }
        return self.writes.compactMap(\.promise)
    }
}
