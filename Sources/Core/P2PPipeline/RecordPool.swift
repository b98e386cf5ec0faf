public import NIOCore
import Synchronization

/// Buffers of records that have left, or were read, to be used again, and those that sockets read into. One for each event loop, and confined to it.
///
/// Without it every record is memory that the system hands out and takes back: a quarter of the throughput goes into
/// page faults. A buffer is given back while others may still look at it; whoever takes it next gets its memory if
/// they have let go by then, and fresh memory if not.
public final class RecordPool {
    /// Records this small are common on connections that say little.
    public static let smallCapacity = 2_048
    /// Room for the largest record.
    static let largeCapacity = 65_536
    /// Buffers of each kind that are kept.
    static let limit = 32
    /// Buffers for reading that are kept: one at a time is read into, and there are few sizes.
    static let readLimit = 6

    private var small = CircularBuffer<ByteBuffer>(initialCapacity: 0)
    private var large = CircularBuffer<ByteBuffer>(initialCapacity: 0)
    private var reads: [ByteBuffer] = []
    private let allocator = ByteBufferAllocator()

    /// A pool that holds no buffer yet.
    public init() {}

    /// An empty buffer with room for `capacity` bytes, shared with nobody.
    public func take(capacity: Int) -> ByteBuffer {
        if capacity <= Self.smallCapacity {
            return Self.reuse(from: &self.small, capacity: Self.smallCapacity) ?? self.allocator.buffer(capacity: Self.smallCapacity)
        }
        guard capacity <= Self.largeCapacity, capacity > Self.largeCapacity / 2 else { return self.allocator.buffer(capacity: capacity) }
        return Self.reuse(from: &self.large, capacity: Self.largeCapacity) ?? self.allocator.buffer(capacity: Self.largeCapacity)
    }

    /// The oldest buffer, emptied; it must have no second owner here, or emptying it would replace its memory.
    private static func reuse(from kept: inout CircularBuffer<ByteBuffer>, capacity: Int) -> ByteBuffer? {
        guard var buffer = kept.popFirst() else { return nil }
        buffer.clear(minimumCapacity: capacity)
        return buffer
    }

    /// Keeps the memory of a buffer that has been written to the channel, or passed on.
    public func recycle(_ buffer: ByteBuffer) {
        switch buffer.storageCapacity {
        case Self.smallCapacity where self.small.count < Self.limit: self.small.append(buffer)
        case Self.largeCapacity where self.large.count < Self.limit: self.large.append(buffer)
        default: break
        }
    }

    // MARK: Reading

    /// A buffer of `capacity` bytes to read into, shared with nobody: the one that was read into last, if it is as large.
    func lend(capacity: Int) -> ByteBuffer {
        guard let index = self.reads.lastIndex(where: { $0.storageCapacity == capacity }) else {
            return self.allocator.buffer(capacity: capacity)
        }
        var buffer = self.reads.remove(at: index)
        buffer.clear(minimumCapacity: capacity)
        return buffer
    }

    /// Keeps what was lent; whoever looks at it still may go on to.
    func takeBack(_ buffer: ByteBuffer) {
        if self.reads.count == Self.readLimit { self.reads.removeFirst() }
        self.reads.append(buffer)
    }

    // MARK: One for each loop

    private struct Entry {
        weak var pool: RecordPool?
    }

    private static let pools = Mutex<[ObjectIdentifier: Entry]>([:])

    /// The pool of an event loop, which lives as long as somebody on the loop holds it. Call on the loop.
    public static func of(_ eventLoop: any EventLoop) -> RecordPool {
        let key = ObjectIdentifier(eventLoop)
        let box = self.pools.withLock { pools -> Unshared in
            if let pool = pools[key]?.pool { return Unshared(pool: pool) }
            pools = pools.filter { $0.value.pool != nil }
            let pool = RecordPool()
            pools[key] = Entry(pool: pool)
            return Unshared(pool: pool)
        }
        return box.pool
    }

    /// Carries a pool out of the lock to the only loop that uses it.
    private struct Unshared: @unchecked Sendable {
        let pool: RecordPool
    }
}
