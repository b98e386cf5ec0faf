package import NIOCore

extension StreamBuffer {
    /// A suspended task.
    package typealias Waiter = UnsafeContinuation<Void, Never>

    /// Who is to be called once the lock is released.
    package struct Wake: ~Copyable {
        package var reader: Waiter?
        package var writer: Waiter?
        package var muxer = false
        package var observer = News.none

        package init() {}
    }

    /// What an adapter is told.
    package enum News { case none, bytes, change }

    /// What a reader gets.
    package enum Read: ~Copyable {
        case bytes(ByteBuffer)
        case end
        case wait
        case failed(StreamError)
    }

    /// What a writer is told.
    package enum Write: ~Copyable {
        case buffered
        case wait
        case failed(StreamError)
    }

    /// What the muxer finds when it comes for a stream.
    package struct Drained: ~Copyable {
        /// Bytes copied to the record.
        package var copied = 0
        /// Bytes that still wait.
        package var remaining = 0
        /// Whoever feeds the stream may add to what was copied.
        package var isHungry = false
        /// Every byte has left and this side is done: FIN is due, and said once.
        package var finish = false
        /// A reset is due, and said once; nothing else follows.
        package var reset: StreamErrorCode?
        /// The reader wants no more; said once.
        package var stopReading = false
        /// Bytes that the reader consumed since the last time, to be given back as credit.
        package var credit = 0
        /// With credit, for a reader who passes everything on: what has waited; nil for any other reader.
        package var waiting: Waiting?
    }

    /// Bytes of the peer that have waited for a reader who passes them on.
    package struct Waiting: Sendable, Hashable {
        /// At any time since the last credit, at least.
        package var least: Int
        /// As credit falls due.
        package var now: Int

        package init(least: Int, now: Int) {
            self.least = least
            self.now = now
        }
    }
}
