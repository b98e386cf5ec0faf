package import NIOCore
package import P2PCore

/// How much a connection reads from its socket at a time: twice as much while it finds that much, less when it finds little.
///
/// A channel keeps its buffer at the size to which it has grown, for as long as it lives. So that counts for the connection, and where memory is
/// scarce it grows no further than ``scarce``. Confined to the event loop.
package final class ReadRoom: RecvByteBufferAllocator, @unchecked Sendable {
    /// A connection that is idle, or says little, reads into this.
    package static let least = 1_024
    /// The largest read: several full records, so that few of them are split.
    package static let most = 256 * 1_024
    /// The largest one where memory is scarce.
    package static let scarce = 32 * 1_024

    private let account: MemoryAccount
    private var size = ReadRoom.least
    /// The size to which the buffer has grown.
    private var grown = ReadRoom.least
    /// The last read found little.
    private var isAmple = false

    package init(account: MemoryAccount) {
        self.account = account
    }

    deinit {
        self.account.change(by: Self.least - self.grown)
    }

    package func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: self.size) }

    package func nextBufferSize() -> Int? { self.size }

    /// - Returns: whether the next buffer is larger.
    package func record(actualReadBytes count: Int) -> Bool {
        if count >= self.size {
            self.isAmple = false
            return self.grow()
        }
        guard count <= self.size / 2, self.size > Self.least else {
            self.isAmple = false
            return false
        }
        if self.isAmple { self.size /= 2 }
        self.isAmple.toggle()
        return false
    }

    private func grow() -> Bool {
        let larger = self.size * 2
        guard larger <= Self.most else { return false }
        if larger > self.grown {
            guard larger <= Self.scarce || !self.account.savesMemory else { return false }
            self.account.change(by: larger - self.grown)
            self.grown = larger
        }
        self.size = larger
        return true
    }
}
