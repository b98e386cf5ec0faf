import NIOCore
import NIOEmbedded
import P2PCore
import P2PMultiaddr
import P2PPipeline

/// One end of a multiplexed connection on an embedded channel, driven from one thread, and the streams that its application holds.
final class MuxerChannelUnderTest {
    /// A stream as its application knows it.
    struct Held {
        let stream: PeerStream
        /// Bytes are known by their place.
        var written = 0
        var read = 0
        var hasFinished = false
        var hasEnded = false
        /// It was reset, failed or stopped, on this side or by the other.
        var isBroken = false
    }

    private let channel = EmbeddedChannel()
    private let connection: any MuxedConnection
    private let executor: EventLoopTaskExecutor
    private let budget = MemoryBudget(limit: 8 << 20)
    var held: [Held] = []
    /// Streams that the application dropped; their fate is not followed.
    private var letGo: [MuxedStream] = []

    init(_ role: ConnectionRole, _ muxer: any StreamMuxer) {
        self.executor = EventLoopTaskExecutor(self.channel.eventLoop)
        let info = ConnectionInfo(
            role: role, localPeer: FuzzIdentity.peer, remotePeer: FuzzIdentity.peer, remoteKey: FuzzIdentity.key, localAddress: .empty,
            remoteAddress: .empty, security: "/noise", muxer: muxer.protocolID)
        self.channel.embeddedEventLoop.advanceTime(by: .hours(1))
        do {
            try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            self.connection = try muxer.multiplex(
                self.channel, records: CheckingRecordWriter(self.channel), info: info,
                context: MuxerContext(executor: self.executor, windowBudget: self.budget))
        } catch {
            preconditionFailure("no muxer on an embedded channel: \(error)")
        }
    }

    /// The ids of the streams that the application dropped.
    var dropped: Set<UInt64> { Set(self.letGo.map(\.id)) }
    var isActive: Bool { self.channel.isActive }
    var streamCount: Int { self.connection.traffic.streams }

    // MARK: The application

    func open() {
        nonisolated(unsafe) var opened: PeerStream?
        let connection = self.connection
        Task(executorPreference: self.executor) { opened = try? await connection.openStream() }
        self.channel.embeddedEventLoop.run()
        if let opened { self.held.append(Held(stream: opened)) }
    }

    /// Takes the streams that the peer opened.
    func accept() {
        for stream in self.connection.inboundStreams.backlog.takeAll() { self.held.append(Held(stream: stream)) }
    }

    func write(_ count: Int, to index: Int) {
        guard self.held.indices.contains(index) else { return }
        let from = self.held[index].written
        let count = min(count, FuzzPattern.maximumCount)
        let bytes = FuzzPattern.bytes(at: from, count: count)
        switch self.held[index].stream.muxed.tryWrite(bytes) {
        case .buffered: self.held[index].written += count
        case .wait: self.held[index].written += count
        case .failed(let error):
            precondition(self.held[index].hasFinished || error.code != .finished)
            if !self.held[index].hasFinished { self.held[index].isBroken = true }
        }
    }

    /// Reads once; whether there was anything.
    @discardableResult
    func read(_ limit: Int, from index: Int, isChecked: Bool) -> Bool {
        guard self.held.indices.contains(index) else { return false }
        switch self.held[index].stream.muxed.tryRead(upTo: limit) {
        case .bytes(let bytes):
            precondition(bytes.readableBytes > 0 && bytes.readableBytes <= limit)
            if isChecked {
                precondition(FuzzPattern.isPattern(bytes, at: self.held[index].read), "bytes are lost, or come twice")
            }
            self.held[index].read += bytes.readableBytes
            return true
        case .end: self.held[index].hasEnded = true
        case .wait: precondition(!self.held[index].hasEnded)
        case .failed: self.held[index].isBroken = true
        }
        return false
    }

    func finish(_ index: Int) {
        guard self.held.indices.contains(index) else { return }
        if case .failed = self.held[index].stream.muxed.tryFinish() { self.held[index].isBroken = true }
        self.held[index].hasFinished = true
    }

    /// Stops reading, resets, or lets go.
    func end(_ index: Int, _ choice: UInt8) {
        guard self.held.indices.contains(index) else { return }
        self.held[index].isBroken = true
        switch choice % 3 {
        case 0: self.held[index].stream.stopReading()
        case 1: self.held[index].stream.reset(.cancelled)
        default: self.letGo.append(self.held.remove(at: index).stream.muxed)
        }
    }

    // MARK: The channel

    func advance(by amount: TimeAmount) { self.channel.embeddedEventLoop.advanceTime(by: amount) }

    func setWritability(_ isWritable: Bool) {
        guard self.channel.isWritable != isWritable else { return }
        self.channel.isWritable = isWritable
        self.channel.pipeline.fireChannelWritabilityChanged()
    }

    /// Runs what is scheduled and takes what was written.
    func output() -> [UInt8] {
        self.channel.embeddedEventLoop.run()
        var bytes: [UInt8] = []
        while let piece = try? self.channel.readOutbound(as: ByteBuffer.self) { bytes += Array(piece.readableBytesView) }
        return bytes
    }

    /// Records arrive.
    func input(_ records: [[UInt8]]) {
        for record in records where self.channel.isActive && !record.isEmpty {
            _ = try? self.channel.writeInbound(ByteBuffer(bytes: record))
        }
        self.channel.embeddedEventLoop.run()
    }

    /// Takes the connection away and checks that nothing is left of it.
    func lose() {
        self.channel.close(promise: nil)
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(120))
        _ = self.output()
        precondition(!self.channel.isActive)
        precondition(self.connection.traffic.streams == 0, "\(self.connection.traffic.streams) streams without a connection")
        precondition(self.budget.reserved == 0, "\(self.budget.reserved) bytes of windows without a connection")
        for held in self.held {
            while case .bytes = held.stream.muxed.tryRead(upTo: .max) {}
            if case .wait = held.stream.muxed.tryRead(upTo: 1) { preconditionFailure("a stream waits for a connection that is gone") }
            if case .wait = held.stream.muxed.tryFinish() { preconditionFailure("a half-close waits for a connection that is gone") }
        }
        self.held = []
    }

    /// No window is wider than it was at first once every stream has ended.
    func checkIdle() {
        precondition(self.streamCount == 0, "\(self.streamCount) streams are left")
        precondition(self.budget.reserved == 0, "\(self.budget.reserved) bytes of windows are left")
    }
}

/// Checks what a muxer promises of a record, and writes its plaintext to the channel.
private final class CheckingRecordWriter: RecordWriter {
    let layout = RecordLayout(headroom: 2, tailroom: 16, maximumPayload: 65_519)
    private let channel: EmbeddedChannel

    init(_ channel: EmbeddedChannel) { self.channel = channel }

    func write(_ record: consuming ByteBuffer, promise: EventLoopPromise<Void>?) {
        precondition(record.readerIndex >= self.layout.headroom && record.writableBytes >= self.layout.tailroom, "no room to seal")
        precondition(record.readableBytes > 0 && record.readableBytes <= self.layout.maximumPayload, "a record that can't be sealed")
        self.channel.write(record, promise: promise)
    }

    func flush() { self.channel.flush() }
}
