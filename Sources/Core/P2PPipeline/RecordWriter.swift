public import NIOCore

/// How a secure channel wants its records: room to leave free, and how much fits.
public struct RecordLayout: Sendable, Hashable {
    /// Bytes to leave free before the plaintext.
    public let headroom: Int
    /// Bytes that must be writable behind it.
    public let tailroom: Int
    /// The most plaintext that one record holds, in bytes.
    public let maximumPayload: Int

    /// The layout of a record; all three are in bytes.
    public init(headroom: Int, tailroom: Int, maximumPayload: Int) {
        self.headroom = headroom
        self.tailroom = tailroom
        self.maximumPayload = maximumPayload
    }
}

/// Where a muxer puts its records, so that they are sealed where they lie.
///
/// It is called directly instead of through the pipeline: what travels through the pipeline is shared, and sealing it
/// would copy it. Confined to the channel's event loop.
public protocol RecordWriter: AnyObject {
    var layout: RecordLayout { get }
    /// An empty record with its headroom left free and room for `payload` bytes and the tailroom.
    func makeRecord(payload: Int) -> ByteBuffer
    /// Seals the readable bytes of `record` and writes the result to the channel, without a flush.
    ///
    /// - Parameter record: has ``RecordLayout/headroom`` bytes before its reader index and ``RecordLayout/tailroom``
    ///   writable bytes, and is not shared.
    func write(_ record: consuming ByteBuffer, promise: EventLoopPromise<Void>?)
    /// Flushes the channel.
    func flush()
    /// Bytes of memory that the peer's next record takes while there is more of it to come; zero between records.
    var partialRecord: Int { get }
}

extension RecordWriter {
    /// Nothing is kept of a record that is not whole, or hardly anything.
    public var partialRecord: Int { 0 }

    /// Fresh memory for each record.
    public func makeRecord(payload: Int) -> ByteBuffer {
        var record = ByteBufferAllocator().buffer(capacity: self.layout.headroom + payload + self.layout.tailroom)
        record.moveWriterIndex(forwardBy: self.layout.headroom)
        record.moveReaderIndex(forwardBy: self.layout.headroom)
        return record
    }
}

/// Writes records into a channel whose secure channel is an ordinary handler, or that has none.
public final class PipelineRecordWriter: RecordWriter {
    /// No room is needed, and records end where the caller says.
    public let layout: RecordLayout
    private let context: ChannelHandlerContext

    /// - Parameter context: the secure channel's own context; what is written there goes towards the socket *through* the
    ///   handlers before it, so pass the context of the handler behind it to include the secure channel.
    public init(context: ChannelHandlerContext, maximumPayload: Int) {
        self.context = context
        self.layout = RecordLayout(headroom: 0, tailroom: 0, maximumPayload: maximumPayload)
    }

    /// Writes the record as it is.
    public func write(_ record: consuming ByteBuffer, promise: EventLoopPromise<Void>?) {
        self.context.write(NIOAny(record), promise: promise)
    }

    /// Has the channel send what was written so far.
    public func flush() {
        self.context.flush()
    }
}
