import NIOCore
import NIOEmbedded
import P2PCore
import P2PMemory
import P2PPipeline
import Testing

/// Notes what reaches the end of a pipeline.
private final class Recorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var bytes: [UInt8] = []
    var events: [String] = []
    var onRead: (ChannelHandlerContext) -> Void = { _ in }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.bytes += self.unwrapInboundIn(data).readableBytesView
        self.onRead(context)
    }

    func channelActive(context: ChannelHandlerContext) { self.events.append("active") }
    func channelInactive(context: ChannelHandlerContext) { self.events.append("inactive") }
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.events.append(context.channel.isWritable ? "writable" : "full")
    }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { self.events.append("\(event)") }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.events.append("error \((error as? StreamError).map { "\($0.code)" } ?? "\(error)")")
    }
}

@Suite("StreamChannel")
struct StreamChannelTests {
    private let loop = EmbeddedEventLoop()
    private let recorder = Recorder()
    private let channel: StreamChannel
    private let peer: PeerStream
    static let window = 10_000

    init() throws {
        let (near, far) = MemoryStreamPair.connected(window: Self.window)
        self.peer = far
        self.channel = StreamChannel(near, on: self.loop)
        try self.channel.pipeline.syncOperations.addHandler(self.recorder)
        self.channel.activate()
        self.loop.run()
    }

    private func say(_ text: String) {
        _ = self.peer.muxed.tryWrite(ByteBuffer(string: text))
        self.loop.run()
    }

    /// Reads all that has come to the peer; nil once that is the end.
    private func heard() -> [UInt8]? {
        var all: [UInt8] = []
        while true {
            switch self.peer.muxed.tryRead(upTo: .max) {
            case .bytes(let bytes): all += bytes.readableBytesView
            case .end: return all.isEmpty ? nil : all
            default: return all
            }
        }
    }

    private func write(_ count: Int) -> EventLoopFuture<Void> {
        self.channel.writeAndFlush(ByteBuffer(repeating: 1, count: count))
    }

    private func isDone(_ future: EventLoopFuture<Void>) -> Bool {
        let done = NIOLoopBoundBox(false, eventLoop: self.loop)
        future.whenComplete { _ in done.value = true }
        self.loop.run()
        return done.value
    }

    // MARK: Reading

    @Test("It becomes active, and delivers what the peer writes")
    func reading() {
        #expect(self.channel.isActive)
        self.say("hello")
        self.say(" world")
        #expect(self.recorder.bytes == Array("hello world".utf8))
        #expect(self.recorder.events == ["active"])
    }

    @Test("What arrived before it was mounted is delivered")
    func readingEarlier() throws {
        let (near, far) = MemoryStreamPair.connected(window: 100)
        _ = far.muxed.tryWrite(ByteBuffer(string: "early"))
        let channel = StreamChannel(near, on: self.loop)
        let recorder = Recorder()
        try channel.pipeline.syncOperations.addHandler(recorder)
        channel.activate()
        self.loop.run()
        #expect(recorder.bytes == Array("early".utf8))
    }

    @Test("Without autoRead nothing is delivered until somebody reads, and the peer's window fills")
    func autoReadOff() throws {
        try self.channel.syncOptions?.setOption(.autoRead, value: false)
        self.say("a")
        #expect(self.recorder.bytes == Array("a".utf8), "the read that was asked for before")
        _ = self.peer.muxed.tryWrite(ByteBuffer(repeating: 2, count: 3 * Self.window))
        self.loop.run()
        #expect(self.recorder.bytes.count == 1)
        #expect(self.peer.muxed.writableBytes == StreamBuffer.highWaterMark - 2 * Self.window - 1)
        self.channel.read()
        self.loop.run()
        #expect(self.recorder.bytes.count > 1)
        try self.channel.syncOptions?.setOption(.autoRead, value: true)
        self.loop.run()
        #expect(self.recorder.bytes.count == 3 * Self.window + 1)
    }

    @Test("The peer's half-close closes the channel, whose own side finishes")
    func remoteFinish() {
        self.say("bye")
        _ = self.peer.muxed.tryFinish()
        self.loop.run()
        #expect(self.recorder.bytes == Array("bye".utf8))
        #expect(self.recorder.events == ["active", "inactive"])
        #expect(self.heard() == nil)
        #expect(self.peer.muxed.failure == nil)
        #expect(self.isDone(self.channel.closeFuture))
    }

    @Test("With allowRemoteHalfClosure the peer's half-close is an event, and writing goes on")
    func remoteHalfClosure() throws {
        try self.channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        _ = self.peer.muxed.tryFinish()
        self.loop.run()
        #expect(self.recorder.events == ["active", "inputClosed"])
        #expect(self.isDone(self.write(3)))
        #expect(self.heard() == [1, 1, 1])
        #expect(self.isDone(self.channel.close(mode: .output)))
        #expect(self.heard() == nil)
        #expect(self.recorder.events == ["active", "inputClosed", "outputClosed", "inactive"])
    }

    @Test("A reset by the peer is an error, and the end")
    func remoteReset() {
        let pending = self.write(StreamBuffer.highWaterMark + 2 * Self.window)
        let waiting = self.write(1)
        #expect(self.isDone(pending))
        #expect(!self.isDone(waiting))
        self.peer.reset(.rateLimited)
        self.loop.run()
        #expect(self.recorder.events.suffix(2) == ["error reset", "inactive"])
        #expect(throws: StreamError(.reset, "")) { try waiting.wait() }
        #expect(!self.channel.isActive)
        #expect(throws: ChannelError.ioOnClosedChannel) { try self.write(1).wait() }
    }

    @Test(
        "What the peer had said to the end is read, also when it has gone before anybody reads, or this side still writes",
        arguments: [true, false])
    func goneBehindTheEnd(writes: Bool) throws {
        try self.channel.syncOptions?.setOption(.autoRead, value: false)
        self.say("x")
        self.say("y")
        _ = self.peer.muxed.tryFinish()
        self.peer.reset()
        self.loop.run()
        if writes { #expect(throws: StreamError(.reset, "")) { try self.write(1).wait() } }
        #expect(self.recorder.events == ["active"] && self.recorder.bytes == Array("x".utf8))
        self.channel.read()
        self.loop.run()
        // The end needs no read of its own.
        #expect(self.recorder.bytes == Array("xy".utf8) && self.recorder.events == ["active", "inactive"])
    }

    @Test("One that hears of half-closes hears of the end before it hears that the peer is gone")
    func goneBehindTheEndHalfClosed() throws {
        try self.channel.syncOptions?.setOption(.autoRead, value: false)
        try self.channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        for text in ["x", "y"] { self.say(text) }
        _ = self.peer.muxed.tryFinish()
        self.peer.reset()
        self.loop.run()
        #expect(throws: StreamError(.reset, "")) { try self.channel.close(mode: .output).wait() }
        #expect(self.recorder.events == ["active"])
        self.channel.read()
        self.loop.run()
        #expect(self.recorder.bytes == Array("xy".utf8))
        #expect(self.recorder.events == ["active", "inputClosed", "inactive"])
    }

    @Test("A reset is noticed also when nobody reads")
    func remoteResetUnread() throws {
        self.say("x")
        try self.channel.syncOptions?.setOption(.autoRead, value: false)
        self.say("y")
        self.say("z")
        self.peer.reset()
        self.loop.run()
        #expect(self.recorder.events == ["active", "error reset", "inactive"])
    }

    // MARK: Writing

    @Test("A write completes when the stream has taken it, and only a flush lets it go")
    func writing() throws {
        let future = self.channel.write(ByteBuffer(string: "hello"))
        #expect(!self.isDone(future))
        #expect(self.heard() == [])
        self.channel.flush()
        #expect(self.isDone(future))
        #expect(self.heard() == Array("hello".utf8))
    }

    @Test("A peer that doesn't read fills the window, the stream, then the channel, which says so; and back")
    func writability() throws {
        let mark = ChannelOptions.Types.WriteBufferWaterMark(low: 100, high: 1_000)
        try self.channel.syncOptions?.setOption(.writeBufferWaterMark, value: mark)
        #expect(self.isDone(self.write(Self.window + StreamBuffer.highWaterMark)))
        #expect(self.channel.isWritable)
        let waiting = self.write(1_001)
        #expect(!self.isDone(waiting))
        #expect(!self.channel.isWritable)
        #expect(self.recorder.events.last == "full")
        #expect(self.heard()?.count == Self.window + StreamBuffer.highWaterMark)
        self.loop.run()
        #expect(self.isDone(waiting))
        #expect(self.channel.isWritable)
        #expect(self.recorder.events.last == "writable")
        #expect(self.heard()?.count == 1_001)
    }

    @Test("close(mode: .output) goes behind the flushed writes, fails the others, and leaves reading open")
    func closeOutput() throws {
        let large = self.write(StreamBuffer.highWaterMark + 2 * Self.window)
        let flushed = self.write(10)
        let unflushed = self.channel.write(ByteBuffer(string: "x"))
        let closed = self.channel.close(mode: .output)
        #expect(self.isDone(large) && !self.isDone(flushed) && !self.isDone(unflushed) && !self.isDone(closed))
        var count = 0
        while let bytes = self.heard() {
            count += bytes.count
            self.loop.run()
        }
        #expect(count == StreamBuffer.highWaterMark + 2 * Self.window + 10)
        #expect(self.isDone(closed))
        #expect(throws: ChannelError.outputClosed) { try unflushed.wait() }
        #expect(throws: ChannelError.outputClosed) { try self.write(1).wait() }
        self.say("still heard")
        #expect(self.recorder.bytes == Array("still heard".utf8))
        _ = self.peer.muxed.tryFinish()
        self.loop.run()
        #expect(self.recorder.events.last == "inactive")
    }

    @Test("close(mode: .input) discards what still comes")
    func closeInput() throws {
        #expect(self.isDone(self.channel.close(mode: .input)))
        self.say(String(repeating: "x", count: 3 * Self.window))
        #expect(self.recorder.bytes == [])
        #expect(self.peer.muxed.writableBytes == StreamBuffer.highWaterMark)
        #expect(self.isDone(self.write(2)))
        #expect(self.heard() == [1, 1])
    }

    // MARK: Closing

    @Test("Closing after every write was taken lets the bytes arrive, with an end")
    func closeWhole() {
        #expect(self.isDone(self.write(5)))
        #expect(self.isDone(self.channel.close()))
        #expect(self.heard() == [1, 1, 1, 1, 1])
        #expect(self.heard() == nil)
        #expect(self.recorder.events == ["active", "inactive"])
    }

    @Test("Closing with writes that were not taken resets, and fails their promises")
    func closePartial() throws {
        let large = self.write(StreamBuffer.highWaterMark + 2 * Self.window)
        let waiting = self.write(1)
        let unflushed = self.channel.write(ByteBuffer(string: "x"))
        #expect(self.isDone(large))
        #expect(self.isDone(self.channel.close()))
        #expect(throws: (any Error).self) { try waiting.wait() }
        #expect(throws: (any Error).self) { try unflushed.wait() }
        #expect(self.peer.muxed.failure == StreamError(.reset, ""))
        #expect(throws: ChannelError.alreadyClosed) { try self.channel.close().wait() }
    }

    @Test("A handler may close while it is being read to")
    func closeInRead() {
        self.recorder.onRead = { $0.close(promise: nil) }
        self.say("one")
        self.say("two")
        #expect(self.recorder.bytes == Array("one".utf8))
        #expect(self.recorder.events == ["active", "inactive"])
        #expect(self.heard() == nil)
    }

    @Test("What it can't do is refused: connect, bind, unknown options, events")
    func unsupported() throws {
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        #expect(throws: ChannelError.operationUnsupported) { try self.channel.connect(to: address).wait() }
        #expect(throws: ChannelError.operationUnsupported) { try self.channel.bind(to: address).wait() }
        #expect(throws: ChannelError.operationUnsupported) { try self.channel.triggerUserOutboundEvent("x").wait() }
        #expect(throws: ChannelError.operationUnsupported) { try self.channel.setOption(.backlog, value: 1).wait() }
        #expect(try self.channel.getOption(.autoRead).wait())
        #expect(self.channel.localAddress == nil && self.channel.remoteAddress == nil)
    }
}
