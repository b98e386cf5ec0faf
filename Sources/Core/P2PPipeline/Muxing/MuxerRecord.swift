package import NIOCore

/// One record on its way: frames of several streams, in a buffer that the secure channel will seal where it lies.
package struct MuxerRecord: ~Copyable {
    /// A buffer of this capacity is one allocation of this size; a byte more would double it.
    static let maximumCapacity = 65_536

    /// The plaintext, with room around it as the layout asks.
    package var bytes: ByteBuffer
    private let payload: Int

    /// The most plaintext that a record may hold.
    static func maximumPayload(of layout: RecordLayout) -> Int {
        min(layout.maximumPayload, Self.maximumCapacity - layout.headroom - layout.tailroom)
    }

    /// - Parameter payload: the plaintext that is expected; no more than a record may hold counts.
    init(payload: Int, for records: any RecordWriter) {
        self.payload = payload
        self.bytes = records.makeRecord(payload: payload)
    }

    /// Bytes that still fit.
    package var room: Int { self.payload - self.bytes.readableBytes }
    /// Where the next frame will begin.
    package var end: Int { self.bytes.writerIndex }

    /// Drops what was appended since.
    package mutating func rewind(to end: Int) {
        self.bytes.moveWriterIndex(to: end)
    }

    consuming func take() -> ByteBuffer { self.bytes }
}
