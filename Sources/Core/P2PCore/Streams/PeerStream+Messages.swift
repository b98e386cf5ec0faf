public import NIOCore
import P2PMultiformats

extension PeerStream {
    /// Waits for exactly `count` bytes.
    ///
    /// - Returns: nil when the peer finished before the first of them.
    /// - Throws: ``StreamError/Code/unexpectedEnd`` when it finished in between.
    public func readExactly(_ count: Int) async throws(StreamError) -> ByteBuffer? {
        guard count > 0 else { return ByteBuffer() }
        guard var bytes = try await self.read(upTo: count) else { return nil }
        while bytes.readableBytes < count {
            guard let more = try await self.more(upTo: count - bytes.readableBytes, after: bytes) else {
                throw StreamError(.unexpectedEnd, "the peer finished after \(bytes.readableBytes) of \(count) bytes")
            }
            bytes.writeImmutableBuffer(more)
        }
        return bytes
    }

    /// Reads on; when the task is cancelled meanwhile, what was read so far is put back, so that the stream is as it was.
    private func more(upTo count: Int, after bytes: ByteBuffer) async throws(StreamError) -> ByteBuffer? {
        do throws(StreamError) {
            return try await self.read(upTo: count)
        } catch {
            if error.code == .cancelled, bytes.readableBytes > 0 { self.muxed.unread(bytes) }
            throw error
        }
    }

    /// Waits for one message with an unsigned-varint length before it.
    ///
    /// - Parameter limit: the longest message that is accepted, in bytes.
    /// - Returns: nil when the peer finished before the first byte.
    /// - Throws: ``StreamError/Code/messageTooLarge`` before any of a longer message is read.
    public func readMessage(upTo limit: Int) async throws(StreamError) -> ByteBuffer? {
        var prefix = ByteBuffer()
        while true {
            guard let bytes = try await self.more(upTo: prefix.readableBytes == 0 ? .max : 1, after: prefix) else {
                if prefix.readableBytes == 0 { return nil }
                throw StreamError(.unexpectedEnd, "the peer finished inside a length prefix")
            }
            prefix.writeImmutableBuffer(bytes)
            let whole = prefix
            let length: UInt64?
            do {
                length = try prefix.readUnsignedVarint()
            } catch {
                throw StreamError(.malformed, "the length prefix is not an unsigned varint", cause: error)
            }
            guard let length else { continue }
            guard length <= UInt64(limit) else {
                throw StreamError(.messageTooLarge, "the peer announced a message of \(length) bytes; at most \(limit) are accepted")
            }
            let count = Int(length)
            if prefix.readableBytes > count {
                let message = prefix.readSlice(length: count)
                self.muxed.unread(prefix)
                return message
            }
            if prefix.readableBytes == count { return prefix }
            return try await self.rest(of: count, after: prefix, whole: whole)
        }
    }

    /// Reads the rest of a message of `count` bytes, of which `begun` is here; `whole` has its length prefix, too.
    private func rest(of count: Int, after begun: ByteBuffer, whole: ByteBuffer) async throws(StreamError) -> ByteBuffer {
        do throws(StreamError) {
            guard let rest = try await self.readExactly(count - begun.readableBytes) else {
                throw StreamError(.unexpectedEnd, "the peer finished inside a message of \(count) bytes")
            }
            var message = begun
            message.writeImmutableBuffer(rest)
            return message
        } catch {
            if error.code == .cancelled { self.muxed.unread(whole) }
            throw error
        }
    }

    /// Writes one message with its length as an unsigned varint before it.
    public func writeMessage(_ message: ByteBuffer) async throws(StreamError) {
        var bytes = ByteBufferAllocator().buffer(capacity: message.readableBytes + 9)
        bytes.writeUnsignedVarint(UInt64(message.readableBytes))
        bytes.writeImmutableBuffer(message)
        try await self.write(bytes)
    }

    /// Everything until the peer finishes, in the pieces in which it arrives.
    public var chunks: StreamChunks { StreamChunks(stream: self) }
}

/// The bytes of a ``PeerStream`` as a sequence of buffers, up to the peer's half-close.
public struct StreamChunks: AsyncSequence, Sendable {
    /// The bytes of one read.
    public typealias Element = ByteBuffer
    /// Why the stream can not be read any more.
    public typealias Failure = StreamError

    let stream: PeerStream

    /// Reads the messages one by one.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let stream: PeerStream

        /// Waits for the next one.
        public mutating func next() async throws(StreamError) -> ByteBuffer? {
            try await self.stream.read()
        }

        /// Waits for the next one, on the caller's actor.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(StreamError) -> ByteBuffer? {
            try await self.stream.read()
        }
    }

    /// Starts iterating. One consumer at a time.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(stream: self.stream)
    }
}
