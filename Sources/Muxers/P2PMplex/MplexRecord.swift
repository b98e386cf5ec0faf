import NIOCore
import P2PCore
import P2PPipeline

/// One record on its way: frames of several streams, in a buffer that the secure channel will seal where it lies.
struct MplexRecord: ~Copyable {
    /// A buffer of this capacity is one allocation of this size; a byte more would double it.
    static let maximumCapacity = 65_536
    /// A frame without a body.
    static let emptyFrame = 10
    /// What one stream may need beside its bytes: the frame that opens it, with a name of 19 digits, a header and a half-close.
    static let overhead = Self.emptyFrame + 19 + MplexHeader.maximumSize + Self.emptyFrame

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
    /// Where the next frame will begin.
    var end: Int { self.bytes.writerIndex }

    /// Appends a frame without a body.
    mutating func append(_ header: MplexHeader) {
        self.bytes.writeMplexHeader(header)
    }

    /// Appends the frame that opens a stream.
    mutating func append(opening number: UInt64, name: String) {
        self.bytes.writeMplexHeader(MplexHeader(.newStream, number, length: name.utf8.count))
        self.bytes.writeString(name)
    }

    /// Appends `length` bytes that a stream has, behind their header.
    ///
    /// The length stands in front in as few bytes as it needs, so it is written before the bytes; should the stream have been reset in
    /// the meantime, nothing stays of the frame.
    mutating func drain(_ stream: MuxedStream, _ flag: MplexFlag, _ number: UInt64, length: Int) -> StreamBuffer.Drained {
        let start = self.end
        if length > 0 { self.append(MplexHeader(flag, number, length: length)) }
        let drained = stream.drain(upTo: length, to: &self.bytes)
        if drained.copied < length {
            let fewer = self.bytes.getSlice(at: self.end - drained.copied, length: drained.copied)
            self.rewind(to: start)
            if let fewer, drained.copied > 0 {
                self.append(MplexHeader(flag, number, length: drained.copied))
                self.bytes.writeImmutableBuffer(fewer)
            }
        }
        return drained
    }

    /// Drops what was appended since.
    mutating func rewind(to end: Int) {
        self.bytes.moveWriterIndex(to: end)
    }

    consuming func take() -> ByteBuffer { self.bytes }
}
