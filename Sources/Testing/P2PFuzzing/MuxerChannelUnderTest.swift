import NIOCore
import NIOEmbedded
import P2PCore
import P2PMultiaddr
import P2PPipeline

/// One end of a multiplexed connection on an embedded channel, driven from one thread, and its application.
final class MuxerChannelUnderTest: MuxedApplication {
    private let channel: EmbeddedChannel
    private let budget = MemoryBudget(limit: 8 << 20)

    init(_ role: ConnectionRole, _ muxer: any StreamMuxer) {
        let channel = EmbeddedChannel()
        let executor = EventLoopTaskExecutor(channel.eventLoop)
        let info = ConnectionInfo(
            role: role, localPeer: FuzzIdentity.peer, remotePeer: FuzzIdentity.peer, remoteKey: FuzzIdentity.key, localAddress: .empty,
            remoteAddress: .empty, security: "/noise", muxer: muxer.protocolID)
        channel.embeddedEventLoop.advanceTime(by: .hours(1))
        self.channel = channel
        do {
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            let connection = try muxer.multiplex(
                channel, records: CheckingRecordWriter(channel), info: info,
                context: MuxerContext(executor: executor, windowBudget: self.budget))
            super.init(connection, executor: executor, loop: channel.embeddedEventLoop)
        } catch {
            preconditionFailure("no muxer on an embedded channel: \(error)")
        }
    }

    var isActive: Bool { self.channel.isActive }

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
        self.noteNumbers()
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
        self.noteNumbers()
    }

    /// Takes the connection away and checks that nothing is left of it.
    func lose() {
        self.channel.close(promise: nil)
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(120))
        _ = self.output()
        precondition(!self.channel.isActive)
        precondition(self.budget.reserved == 0, "\(self.budget.reserved) bytes of windows without a connection")
        self.checkOver()
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
