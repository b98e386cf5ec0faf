import NIOCore
import NIOEmbedded
import P2PCore
import P2PMuxing
import P2PPipeline
import Testing

@testable import P2PYamux

@Suite("How a yamux connection ends")
struct YamuxEndingTests {
    typealias Frame = YamuxTestChannel.Frame

    @Test("The sequence of inbound streams ends with nil after our close")
    func inboundAfterClose() async throws {
        let end = try YamuxTestChannel(.listener)
        end.core?.handler?.close(.normal, grace: .zero)
        _ = try end.output()
        let connection = end.connection
        var streams = connection.inboundStreams.makeAsyncIterator()
        #expect(try await streams.next() == nil)
    }

    @Test("The sequence of inbound streams throws when the peer ends the connection")
    func inboundAfterLoss() async throws {
        let end = try YamuxTestChannel(.listener)
        try end.input(Frame(.goAway, [], 0, length: 0))
        _ = try end.output()
        let connection = end.connection
        await #expect(throws: ConnectionError(.closedByPeer, "")) {
            var streams = connection.inboundStreams.makeAsyncIterator()
            _ = try await streams.next()
        }
    }

    @Test("A broken rule ends everything with GoAway(protocol error)")
    func violation() throws {
        let end = try YamuxTestChannel(.dialer)
        let (spoken, silent) = (try end.open(), try end.open())
        try spoken.writeNow("x")
        _ = try end.output()
        try end.input(Frame(.data, .syn, 7, "x"))
        #expect(try end.frames() == [Frame(.goAway, [], 0, length: 1)])
        for stream in [spoken, silent] {
            #expect(stream.muxed.failure?.code == .connectionLost)
            #expect((stream.muxed.failure?.cause as? ConnectionError)?.code == .protocolViolation)
        }
        #expect(!end.channel.isActive)
        #expect(throws: ConnectionError(.protocolViolation, "")) { try end.open() }
    }

    @Test("A frame that can't be read ends everything with GoAway(protocol error)")
    func unreadable() throws {
        let end = try YamuxTestChannel(.listener)
        try end.input(ByteBuffer(repeating: 0xFF, count: 12))
        #expect(try end.frames() == [Frame(.goAway, [], 0, length: 1)])
        #expect(!end.channel.isActive)
    }

    @Test("What arrives behind a broken rule is dropped")
    func afterViolation() throws {
        let end = try YamuxTestChannel(.listener)
        try end.input(Frame(.data, .syn, 1, "good"), Frame(.data, .syn, 2), Frame(.data, .syn, 3, "late"))
        #expect(try end.frames() == [Frame(.goAway, [], 0, length: 1)])
        #expect(end.connection.traffic.streams == 0)
    }

    @Test("Our close says GoAway(normal) and drops streams at once")
    func close() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        try stream.writeNow("x")
        _ = try end.output()
        end.core?.handler?.close(.normal, grace: .zero)
        #expect(try end.frames() == [Frame(.goAway, [], 0, length: 0)])
        #expect((stream.muxed.failure?.cause as? ConnectionError)?.code == .closed)
        #expect(!end.channel.isActive)
        #expect(throws: ConnectionError(.closed, "")) { try end.open() }
    }

    @Test("With grace, our close lets streams end and refuses new ones")
    func graceful() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        try stream.writeNow("x")
        _ = try end.output()
        end.core?.handler?.close(.normal, grace: .seconds(10))
        #expect(try end.frames() == [Frame(.goAway, [], 0, length: 0)])
        #expect(throws: ConnectionError(.closed, "")) { try end.open() }
        try end.input(Frame(.data, .syn, 2, "no"))
        #expect(try end.frames() == [Frame(.windowUpdate, .rst, 2)])
        #expect(end.channel.isActive)
        try stream.finishNow()
        #expect(try end.frames() == [Frame(.data, .fin, 1)])
        try end.input(Frame(.data, [.ack, .fin], 1, "bye"))
        #expect(try stream.readNow() == "bye")
        #expect(try stream.readNow() == "")
        #expect(!end.channel.isActive)
    }

    @Test("When grace is over, what still lives is dropped")
    func graceOver() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        try stream.writeNow("x")
        end.core?.handler?.close(.normal, grace: .seconds(10))
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        #expect(end.channel.isActive)
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!end.channel.isActive)
        #expect(stream.muxed.failure?.code == .connectionLost)
    }

    @Test("After the peer's goodbye nothing opens, what lives goes on, and the last stream closes the connection")
    func peerGoesAway() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        try stream.writeNow("x")
        _ = try end.output()
        try end.input(Frame(.goAway, [], 0, length: 0))
        #expect(throws: ConnectionError(.goingAway, "")) { try end.open() }
        try stream.writeNow("y")
        try stream.finishNow()
        #expect(try end.frames() == [Frame(.data, [], 1, "y"), Frame(.data, .fin, 1)])
        #expect(end.channel.isActive)
        try end.input(Frame(.data, .fin, 1, "z"))
        #expect(try stream.readNow() == "z")
        #expect(!end.channel.isActive)
    }

    @Test("After the peer's goodbye every stream that waits to open fails at once")
    func peerGoesAwayFromWaiting() throws {
        var configuration = YamuxConfiguration()
        configuration.maximumBacklog = 2
        let end = try YamuxTestChannel(.dialer, configuration)
        let streams = try (0..<20).map { _ in try end.open() }
        for stream in streams { try stream.writeNow("x") }
        #expect(try end.frames().count == 2)
        try end.input(Frame(.goAway, [], 0, length: 0))
        _ = try end.output()
        #expect(streams.count { $0.muxed.failure?.code == .connectionLost } == 18)
        #expect(end.channel.isActive)
    }

    @Test("A peer's goodbye on an idle connection closes it")
    func peerGoesAwayIdle() throws {
        let end = try YamuxTestChannel(.listener)
        try end.input(Frame(.goAway, [], 0, length: 0))
        #expect(!end.channel.isActive)
        #expect(throws: ConnectionError(.closedByPeer, "")) { try end.open() }
    }

    @Test("A peer's GoAway with an error ends everything at once", arguments: [1, 2, 0x1005] as [UInt32])
    func peerFails(code: UInt32) throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        try stream.writeNow("x")
        _ = try end.output()
        try end.input(Frame(.goAway, [], 0, length: code))
        #expect((stream.muxed.failure?.cause as? ConnectionError)?.code == .closedByPeer)
        #expect(!end.channel.isActive)
    }

    @Test("End of file without a goodbye loses every stream, even those that never spoke")
    func lost() throws {
        let end = try YamuxTestChannel(.dialer)
        let (spoken, silent) = (try end.open(), try end.open())
        try spoken.writeNow("x")
        _ = try end.output()
        _ = try end.channel.finish(acceptAlreadyClosed: true)
        for stream in [spoken, silent] { #expect((stream.muxed.failure?.cause as? ConnectionError)?.code == .lost) }
        #expect(throws: ConnectionError(.lost, "")) { try end.open() }
        #expect(end.core?.handler == nil)
    }

    @Test("An error of the secure channel is told to every stream and closes the channel")
    func broken() throws {
        struct Forged: Error {}
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        try stream.writeNow("x")
        _ = try end.output()
        end.channel.pipeline.fireErrorCaught(Forged())
        #expect(stream.muxed.failure?.code == .connectionLost)
        #expect((stream.muxed.failure?.cause as? ConnectionError)?.code == .protocolViolation)
        #expect(!end.channel.isActive)
    }

    @Test("A silent peer is pinged after 30 s, and given up after 45 s")
    func keepAlive() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(30))
        #expect(try end.frames() == [Frame(.ping, .syn, 0, length: 0)])
        end.channel.embeddedEventLoop.advanceTime(by: .milliseconds(14_999))
        #expect(end.channel.isActive)
        end.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(!end.channel.isActive)
        #expect((stream.muxed.failure?.cause as? ConnectionError)?.code == .keepAliveTimedOut)
    }

    @Test("A peer that answers is pinged every 30 s and kept")
    func keptAlive() throws {
        let end = try YamuxTestChannel(.dialer)
        for value in UInt32(0)..<20 {
            end.channel.embeddedEventLoop.advanceTime(by: .seconds(30))
            #expect(try end.frames() == [Frame(.ping, .syn, 0, length: value)])
            try end.input(Frame(.ping, .ack, 0, length: value))
        }
        #expect(end.channel.isActive)
    }

    @Test("A finished stream that nobody reads waits a minute for the peer's half-close, then it is reset")
    func lingering() throws {
        let end = try YamuxTestChannel(.listener)
        try end.input(Frame(.data, .syn, 1, "x"))
        try end.accepted().first?.finishNow()
        _ = try end.output()
        for value in UInt32(0)..<4 {
            #expect(end.connection.traffic.streams == (value < 2 ? 1 : 0))
            end.channel.embeddedEventLoop.advanceTime(by: .seconds(30))
            _ = try end.output()
            try end.input(Frame(.ping, .ack, 0, length: value))
        }
        #expect(end.channel.isActive)
    }

    @Test("That minute passes without keep-alive, too")
    func lingeringWithoutKeepAlive() throws {
        var configuration = YamuxConfiguration()
        configuration.keepAliveInterval = nil
        let end = try YamuxTestChannel(.listener, configuration)
        try end.input(Frame(.data, .syn, 1, "x"))
        try end.accepted().first?.finishNow()
        _ = try end.output()
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(59))
        #expect(end.connection.traffic.streams == 1)
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(end.connection.traffic.streams == 0)
        #expect(try end.frames() == [Frame(.windowUpdate, .rst, 1, length: 0)])
        #expect(end.channel.isActive)
    }

    @Test("What a stream has finished may take the grace period to leave, and the peer a second more to close", arguments: [3, 6])
    func slowFarewell(seconds: Int64) throws {
        let end = try YamuxTestChannel(.listener)
        let dam = Dam()
        try end.channel.pipeline.syncOperations.addHandler(dam, position: .first)
        try end.input(Frame(.data, [.syn, .fin], 1, "request"))
        let stream = try #require(end.accepted().first)
        try stream.writeNow("response")
        try stream.finishNow()
        end.channel.embeddedEventLoop.run()
        end.core?.handler?.close(.shutdown, grace: .seconds(5))
        #expect(try end.frames().isEmpty)
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
        #expect(end.channel.isActive == (seconds < 5))
        guard seconds < 5 else { return }
        dam.open()
        let frames = try end.frames()
        #expect(frames.contains { $0.body == "response" })
        #expect(frames.last?.header.type == .goAway)
        #expect(end.channel.isActive)
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!end.channel.isActive)
    }

    /// Holds back what is written until it is opened, like a peer that takes its time.
    private final class Dam: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        private var context: ChannelHandlerContext?
        private var waiting: [(NIOAny, EventLoopPromise<Void>?)] = []
        private var outputClose: EventLoopPromise<Void>?

        func handlerAdded(context: ChannelHandlerContext) { self.context = context }
        func handlerRemoved(context: ChannelHandlerContext) {
            self.context = nil
            for (_, promise) in self.waiting { promise?.fail(ChannelError.ioOnClosedChannel) }
        }
        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            self.waiting.append((data, promise))
        }

        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            guard mode == .output else { return context.close(mode: mode, promise: promise) }
            self.outputClose = promise
        }

        func open() {
            for (data, promise) in self.waiting { self.context?.write(data, promise: promise) }
            self.waiting = []
            self.context?.flush()
            self.outputClose?.succeed()
        }
    }

    @Test("Nothing of a connection that has ended stays behind")
    func noLeaks() throws {
        weak var connection: MuxerConnection?
        weak var handler: (any MuxerHandler)?
        do {
            let end = try YamuxTestChannel(.dialer)
            (connection, handler) = (end.core, end.core?.handler)
            let streams = try (0..<5).map { _ in try end.open() }
            for stream in streams.prefix(3) { try stream.writeNow("x") }
            _ = try end.output()
            try end.input(Frame(.data, .syn, 2, "unread"))
            _ = try end.channel.finish(acceptAlreadyClosed: true)
            end.channel.embeddedEventLoop.run()
        }
        #expect(connection == nil)
        #expect(handler == nil)
    }
}
