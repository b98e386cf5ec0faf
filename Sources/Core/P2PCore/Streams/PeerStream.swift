public import NIOCore

/// A stream to a peer: bytes in order, both ways, with libp2p's own close semantics.
///
/// Each side finishes on its own, so one can go on reading after it has finished writing. One task may read while
/// another writes; a second reader or writer gets ``StreamError/Code/busy``. Cancelling a read or a write leaves the
/// stream as it was. A handle that goes away before ``finish()`` resets the stream.
public final class PeerStream: Sendable {
    package let muxed: MuxedStream

    package init(_ muxed: MuxedStream) {
        self.muxed = muxed
    }

    deinit {
        self.muxed.release()
    }

    /// What the two sides agreed to speak; nil until they have.
    public var protocolID: ProtocolID? { self.muxed.protocolID }

    /// Waits for bytes and returns at most `limit` of them; nil when the peer has finished.
    ///
    /// The buffer is a slice of what arrived: nothing is copied.
    public func read(upTo limit: Int = .max) async throws(StreamError) -> ByteBuffer? {
        try await self.muxed.read(upTo: limit)
    }

    /// Hands bytes over for sending. Returns once they are buffered; suspends while more than a high-water mark
    /// (256 KiB) waits for a slow peer. When it throws ``StreamError/Code/cancelled``, the bytes were buffered all the same.
    public func write(_ bytes: ByteBuffer) async throws(StreamError) {
        try await self.muxed.write(bytes)
    }

    /// Half-closes: the peer reads to the end and sees it; this side may go on reading. Returns when the bytes have left.
    public func finish() async throws(StreamError) {
        try await self.muxed.finish()
    }

    /// Discards what has come and is not read yet, and whatever still comes; the peer is told where the transport can say so.
    public func stopReading() {
        self.muxed.stopReading()
    }

    /// Ends the stream at once, in both directions; what waits to be sent is dropped.
    ///
    /// - Parameter code: goes to the peer on transports that can carry it.
    public func reset(_ code: StreamErrorCode = .cancelled) {
        self.muxed.reset(code)
    }
}
