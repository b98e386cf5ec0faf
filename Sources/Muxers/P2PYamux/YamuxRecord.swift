import NIOCore
import P2PCore
import P2PPipeline

/// One record on its way: frames of several streams, in a buffer that the secure channel will seal where it lies.
struct YamuxRecord: ~Copyable {
    /// A buffer of this capacity is one allocation of this size; a byte more would double it.
    static let maximumCapacity = 65_536
    /// What one stream may need beside its bytes: a data header, a half-close of its own, a window update.
    static let overhead = 3 * YamuxHeader.size

    /// The plaintext, with room around it as the layout asks.
    private(set) var bytes: ByteBuffer
    private let payload: Int

    /// The most plaintext that a record may hold.
    static func maximumPayload(of layout: RecordLayout) -> Int {
        min(layout.maximumPayload, Self.maximumCapacity - layout.headroom - layout.tailroom)
    }

    /// - Parameter payload: the plaintext that is expected, at most ``maximumPayload(of:)``.
    init(payload: Int, for records: any RecordWriter) {
        self.payload = payload
        self.bytes = records.makeRecord(payload: payload)
    }

    /// Bytes that still fit.
    var room: Int { self.payload - self.bytes.readableBytes }

    /// Appends a frame without a body.
    mutating func append(_ header: YamuxHeader) {
        self.bytes.writeYamuxHeader(header)
    }

    /// Leaves room for the header of a frame whose length is not known yet, and says where that is.
    mutating func begin() -> Int {
        let index = self.bytes.writerIndex
        self.bytes.moveWriterIndex(forwardBy: YamuxHeader.size)
        return index
    }

    /// Appends what a stream has.
    mutating func drain(_ stream: MuxedStream, upTo limit: Int) -> StreamBuffer.Drained {
        stream.drain(upTo: limit, to: &self.bytes)
    }

    /// Completes the frame that ``begin()`` began.
    mutating func complete(_ header: YamuxHeader, at index: Int) {
        self.bytes.setYamuxHeader(header, at: index)
    }

    /// Drops the frame that ``begin()`` began.
    mutating func abandon(at index: Int) {
        self.bytes.moveWriterIndex(to: index)
    }

    consuming func take() -> ByteBuffer { self.bytes }
}
