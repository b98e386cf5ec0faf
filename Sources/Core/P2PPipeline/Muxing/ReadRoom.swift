package import NIOCore

/// How much a connection reads from its socket at a time: more while it finds that much, less when it finds little.
///
/// A channel keeps its buffer at the size to which it has grown, for as long as it lives. So its own stays small, and what reads much reads into a
/// buffer of the event loop's, which goes back there as soon as the pipeline has had it: a thousand busy connections read into the
/// same memory, which the processor has at hand. First in the pipeline, confined to the event loop.
package final class ReadRoom: RecvByteBufferAllocator, ChannelInboundHandler, @unchecked Sendable {
    package typealias InboundIn = ByteBuffer

    /// The sizes, in bytes, from what a connection reads into that is idle, or says little.
    static let sizes = [1_024, 2_048, 4_096, RecordPool.largeCapacity, RecordPool.readCapacity]
    /// The largest buffer of its own.
    static let own = 4_096

    private let pool: RecordPool
    private var step = 0
    /// The last read found little.
    private var isAmple = false

    init(pool: RecordPool) {
        self.pool = pool
    }

    /// Has the channel of a socket read so from now on; other channels read in ways of their own.
    static func install(in channel: any Channel) {
        guard let options = channel.syncOptions else { return }
        let room = ReadRoom(pool: RecordPool.of(channel.eventLoop))
        do {
            try options.setOption(.recvAllocator, value: room)
            // Of several buffers in one turn the channel would keep some.
            try options.setOption(.maxMessagesPerRead, value: 1)
            try channel.pipeline.syncOperations.addHandler(room, position: .first)
        } catch {
            return
        }
    }

    var size: Int { Self.sizes[self.step] }

    // MARK: What the channel asks

    package func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        self.size > Self.own ? self.pool.take(capacity: self.size) : allocator.buffer(capacity: self.size)
    }

    /// Nil where the buffer is to be none of its own.
    package func nextBufferSize() -> Int? { self.size > Self.own ? nil : self.size }

    /// - Returns: whether the next buffer is not to be the channel's own.
    package func record(actualReadBytes count: Int) -> Bool {
        if count >= self.size {
            self.isAmple = false
            self.step = min(self.step + 1, Self.sizes.count - 1)
        } else if count <= self.size / 2, self.step > 0 {
            if self.isAmple { self.step -= 1 }
            self.isAmple.toggle()
        } else {
            self.isAmple = false
        }
        return self.size > Self.own
    }

    // MARK: What was read

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.fireChannelRead(data)
        self.pool.recycle(self.unwrapInboundIn(data))
    }
}
