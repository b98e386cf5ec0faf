package import NIOCore
import P2PCore

/// How much a connection reads from its socket at a time: more while it finds that much, less when it finds little.
///
/// A channel keeps its buffer at the size to which it has grown, for as long as it lives. So its own stays small, and what reads much reads into a
/// buffer of the event loop's (``RecordPool``), which goes back there when the pipeline has had it: a thousand busy connections read into the
/// same memory.
///
/// A TLS library behind it keeps memory of its own for as much as ever came at once. With one a connection reads ``scarce`` at most until somebody
/// counts that, and where memory is scarce no more than the library has anyway. Stands first in the pipeline, confined to the event loop.
package final class ReadRoom: RecvByteBufferAllocator, ChannelInboundHandler, @unchecked Sendable {
    package typealias InboundIn = ByteBuffer

    /// The sizes, in bytes. A connection that is idle, or says little, reads into the first.
    static let sizes = [own, 4_096, scarce, 256 * 1_024]
    /// The largest buffer that the channel has for itself.
    static let own = 1_024
    static let scarce = 32 * 1_024

    private let pool: RecordPool
    private var step = 0
    /// The last read found little.
    private var isAmple = false
    /// The buffer that is read into is the loop's.
    private var isLent = false
    private var hasLibrary = false
    /// The largest size since there is a library, which keeps as much.
    private var kept = 0
    /// Where that counts.
    private var account: MemoryAccount?

    init(pool: RecordPool) {
        self.pool = pool
    }

    deinit {
        self.account?.change(by: -self.kept)
    }

    // MARK: In a channel

    /// Has the channel of a socket, which has no handlers yet, read so.
    package static func install(in channel: any Channel) throws {
        let room = ReadRoom(pool: RecordPool.of(channel.eventLoop))
        try channel.syncOptions?.setOption(.recvAllocator, value: room)
        // Of several buffers in one turn the channel would keep some.
        try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
        try channel.pipeline.syncOperations.addHandler(room, position: .first)
    }

    /// The one of a channel that is a socket's.
    private static func of(_ channel: any Channel) -> ReadRoom? { try? channel.pipeline.syncOperations.handler(type: ReadRoom.self) }

    /// What the channel reads is for a TLS library.
    package static func expectLibrary(in channel: any Channel) { self.of(channel)?.expectLibrary() }

    /// What such a library keeps counts there from now on.
    static func count(in channel: any Channel, for account: MemoryAccount) { self.of(channel)?.count(for: account) }

    func expectLibrary() {
        self.hasLibrary = true
        while self.size > Self.scarce { self.step -= 1 }
        self.keep()
    }

    func count(for account: MemoryAccount) {
        guard self.hasLibrary, self.account == nil else { return }
        self.account = account
        account.change(by: self.kept)
    }

    /// The library is about to get as much as that.
    private func keep() {
        guard self.hasLibrary, self.size > self.kept else { return }
        self.account?.change(by: self.size - self.kept)
        self.kept = self.size
    }

    var size: Int { Self.sizes[self.step] }

    private var mayGrow: Bool {
        guard self.hasLibrary, self.size >= Self.scarce, self.size >= self.kept else { return true }
        return self.account?.savesMemory == false
    }

    // MARK: What the channel asks

    package func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        self.isLent = self.size > Self.own
        return self.isLent ? self.pool.lend(capacity: self.size) : allocator.buffer(capacity: self.size)
    }

    /// Nil where the buffer is not to be the channel's own.
    package func nextBufferSize() -> Int? {
        guard self.size <= Self.own else { return nil }
        self.isLent = false
        return self.size
    }

    /// - Returns: whether the next buffer is not to be the channel's own.
    package func record(actualReadBytes count: Int) -> Bool {
        if count >= self.size, self.step + 1 < Self.sizes.count, self.mayGrow {
            self.isAmple = false
            self.step += 1
            self.keep()
        } else if self.step > 0, count <= Self.sizes[self.step - 1] {
            if self.isAmple { self.step -= 1 }
            self.isAmple.toggle()
        } else {
            self.isAmple = false
        }
        return self.size > Self.own
    }

    // MARK: What was read

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let isLent = self.isLent
        context.fireChannelRead(data)
        if isLent { self.pool.takeBack(self.unwrapInboundIn(data)) }
    }
}
