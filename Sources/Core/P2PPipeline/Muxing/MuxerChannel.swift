package import NIOCore
package import P2PCore
package import P2PMuxing

/// What a ``RecordMuxer`` holds of its channel, and how far the two are. Confined to the event loop.
package final class MuxerChannel {
    package enum Phase {
        case running
        /// Streams have ended; the last record is on its way, and what arrives is dropped.
        case leaving
        case over
    }

    private static let stalledBytes = 96 * 1_024

    package let connection: MuxerConnection
    package let channel: any Channel
    let records: any RecordWriter
    let maximumPayload: Int
    /// The handler's place in the pipeline, while it has one.
    package var context: ChannelHandlerContext?
    // Read for each frame, and changed by nobody meanwhile (Specs/Architecture.md, "The data path").
    @exclusivity(unchecked) package internal(set) var phase = Phase.running
    package internal(set) var isDraining = false
    private var isStalled = false
    /// What counts for a record that is not whole.
    private var partialRecord = 0
    /// Half-closes in records that are not flushed yet.
    package var finishing: [MuxedStream] = []

    package init(_ channel: any Channel, connection: MuxerConnection, records: any RecordWriter) {
        self.channel = channel
        self.connection = connection
        self.records = records
        self.maximumPayload = MuxerRecord.maximumPayload(of: records.layout)
    }

    /// The handler has its place in the pipeline. From now on what a TLS library in front of it keeps counts.
    package func begin(_ context: ChannelHandlerContext) {
        self.context = context
        ReadRoom.count(in: self.channel, for: self.connection.account)
    }

    package var isRunning: Bool { self.phase == .running }
    package var now: NIODeadline { self.channel.eventLoop.now }

    /// Writes one record of at most `payload` bytes, with what `fill` puts into it.
    ///
    /// - Returns: how many bytes that is.
    func write(payload: Int, promise: EventLoopPromise<Void>? = nil, _ fill: (inout MuxerRecord) -> Void) -> Int {
        guard payload > 0 else { return 0 }
        var record = MuxerRecord(payload: min(payload, self.maximumPayload), for: self.records)
        fill(&record)
        let size = record.bytes.readableBytes
        guard size > 0 else { return 0 }
        self.connection.sent(size)
        self.records.write(record.take(), promise: promise)
        return size
    }

    /// Lets go of what was written, and tells the streams whose half-close was among it.
    func flush() {
        self.records.flush()
        guard !self.finishing.isEmpty else { return }
        for stream in self.finishing { stream.finishLeft() }
        self.finishing.removeAll(keepingCapacity: true)
    }

    /// Counts what waits in the channel for a peer that takes nothing: about as much as a channel takes before it says so, and one record.
    func countWaiting(isGone: Bool = false) {
        let isStalled = !isGone && !self.channel.isWritable
        guard isStalled != self.isStalled else { return }
        self.isStalled = isStalled
        self.connection.account.change(by: isStalled ? Self.stalledBytes : -Self.stalledBytes)
    }

    /// Counts the memory of a record of which the peer has sent a part: the rest may be long in coming.
    func countPartial(isGone: Bool = false) {
        let partial = isGone ? 0 : self.records.partialRecord
        guard partial != self.partialRecord else { return }
        self.connection.account.change(by: partial - self.partialRecord, goesForward: false)
        self.partialRecord = partial
    }

    /// Closes the channel then, if it is open still.
    func close(in time: TimeAmount) {
        let (connection, channel) = (self.connection, self.channel)
        channel.eventLoop.scheduleTask(in: time) {
            if connection.handler != nil { channel.close(promise: nil) }
        }
    }
}
