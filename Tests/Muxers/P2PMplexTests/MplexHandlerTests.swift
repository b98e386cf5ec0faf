import NIOCore
import NIOEmbedded
import P2PCore
import P2PMuxing
import P2PPipeline
import Testing

@testable import P2PMplex

@Suite("The mplex handler")
struct MplexHandlerTests {
    typealias Frame = MplexTestChannel.Frame

    @Test("Opening a stream sends nothing; its first bytes open it, under its number as its name")
    func lazyOpening() throws {
        let end = try MplexTestChannel()
        let stream = try end.open()
        #expect(try end.frames() == [])
        try stream.writeNow("hello")
        #expect(try end.frames() == [Frame(.newStream, 0, "0"), Frame(.messageInitiator, 0, "hello")])
        try stream.writeNow("again")
        #expect(try end.frames() == [Frame(.messageInitiator, 0, "again")])
    }

    @Test("A half-close follows the last bytes, or goes alone")
    func finish() throws {
        let end = try MplexTestChannel()
        let (first, second) = (try end.open(), try end.open())
        try first.writeNow("bye")
        try first.finishNow()
        #expect(try end.frames() == [Frame(.newStream, 0, "0"), Frame(.messageInitiator, 0, "bye"), Frame(.closeInitiator, 0)])
        #expect(first.muxed.hasFinishLeft)
        try second.finishNow()
        #expect(try end.frames() == [Frame(.newStream, 1, "1"), Frame(.closeInitiator, 1)])
        #expect(end.connection.traffic.streams == 2)
        try end.input(Frame(.closeReceiver, 0), Frame(.messageReceiver, 1, "ok"), Frame(.closeReceiver, 1))
        #expect(try first.readNow() == "")
        #expect(try second.readNow() == "ok")
        #expect(try second.readNow() == "")
        #expect(end.connection.traffic.streams == 0)
    }

    @Test("A stream of the peer is handed over with its bytes, however they are cut", arguments: [1, 2, 3, 5, .max])
    func inbound(piece: Int) throws {
        let end = try MplexTestChannel(.listener)
        try end.input(
            Frame(.newStream, 7, "some name"), Frame(.messageInitiator, 7, "hello "), Frame(.messageInitiator, 7, "world"),
            Frame(.closeInitiator, 7), piece: piece)
        let stream = try #require(end.accepted().first)
        var text = ""
        while let piece = try stream.readNow(), !piece.isEmpty { text += piece }
        #expect(text == "hello world")
        try stream.writeNow("thanks")
        try stream.finishNow()
        #expect(try end.frames() == [Frame(.messageReceiver, 7, "thanks"), Frame(.closeReceiver, 7)])
        #expect(end.connection.traffic.streams == 0)
    }

    @Test("The same number from both sides names two streams")
    func sameNumber() throws {
        let end = try MplexTestChannel()
        let ours = try end.open()
        try ours.writeNow("ours")
        _ = try end.frames()
        try end.input(Frame(.newStream, 0, ""), Frame(.messageInitiator, 0, "to theirs"), Frame(.messageReceiver, 0, "to ours"))
        let theirs = try #require(end.accepted().first)
        #expect(try theirs.readNow() == "to theirs")
        #expect(try ours.readNow() == "to ours")
        try theirs.writeNow("back")
        #expect(try end.frames() == [Frame(.messageReceiver, 0, "back")])
        try end.input(Frame(.resetInitiator, 0))
        #expect(throws: StreamError(.reset, "")) { try theirs.readNow() }
        #expect(try ours.readNow() == nil)
        try end.input(Frame(.resetReceiver, 0))
        #expect(throws: StreamError(.reset, "")) { try ours.readNow() }
    }

    @Test("Streams that have something to say share one record")
    func sharedRecord() throws {
        let end = try MplexTestChannel()
        let streams = try (0..<10).map { _ in try end.open() }
        for stream in streams { try stream.writeNow("x") }
        #expect(try end.frames().count == 20)
        #expect(end.writer.records == 1)
    }

    @Test("Many bytes fill records; while others wait, a stream gets no more than its quantum in a turn")
    func fairness() throws {
        let end = try MplexTestChannel()
        let streams = try (0..<3).map { _ in try end.open() }
        for stream in streams { try stream.writeNow(String(repeating: "x", count: 100_000)) }
        let messages = try end.frames().filter { $0.flag == .messageInitiator }
        #expect(messages.prefix(4).map(\.number) == [0, 1, 2, 0])
        #expect(messages.prefix(3).allSatisfy { $0.body.utf8.count == 16_384 })
        for number in [0, 1, 2] as [UInt64] {
            #expect(messages.filter { $0.number == number }.map(\.body.utf8.count).reduce(0, +) == 100_000)
        }
        #expect(end.writer.records == 5)
    }

    @Test("Nothing is written while the channel is not writable, and everything afterwards")
    func writability() throws {
        let end = try MplexTestChannel()
        let stream = try end.open()
        end.channel.isWritable = false
        try stream.writeNow("later")
        #expect(try end.frames() == [])
        end.channel.isWritable = true
        end.channel.pipeline.fireChannelWritabilityChanged()
        #expect(try end.frames() == [Frame(.newStream, 0, "0"), Frame(.messageInitiator, 0, "later")])
    }

    @Test("Our reset reaches the peer; one of a stream that never spoke does not; a handle that is let go resets")
    func ourReset() throws {
        let end = try MplexTestChannel()
        let (first, second) = (try end.open(), try end.open())
        try first.writeNow("x")
        _ = try end.output()
        first.reset()
        second.reset()
        #expect(try end.frames() == [Frame(.resetInitiator, 0)])
        do {
            let third = try end.open()
            try third.writeNow("x")
            _ = try end.output()
        }
        // The second one took its number with it.
        #expect(try end.frames() == [Frame(.resetInitiator, 2)])
        try end.input(Frame(.newStream, 0, "0"))
        end.accepted().first?.reset()
        #expect(try end.frames() == [Frame(.resetReceiver, 0)])
        #expect(end.connection.traffic.streams == 0)
    }

    @Test("At the stream limit opening fails with an error that names it; streams of the peer are reset")
    func streamLimit() throws {
        var configuration = MplexConfiguration()
        configuration.maximumStreams = 2
        let end = try MplexTestChannel(.dialer, configuration)
        let (first, second) = (try end.open(), try end.open())
        #expect(throws: ConnectionError(.resourceLimit, "")) { try end.open() }
        try first.writeNow("a")
        try second.writeNow("b")
        _ = try end.output()
        try end.input(Frame(.newStream, 5, ""), Frame(.messageInitiator, 5, "x"))
        #expect(try end.frames() == [Frame(.resetReceiver, 5)])
        first.reset()
        _ = try end.output()
        _ = try end.open()
        withExtendedLifetime(second) {}
    }

    @Test("Streams that nobody accepts are refused beyond the backlog")
    func backlog() throws {
        var configuration = MplexConfiguration()
        configuration.maximumBacklog = 2
        let end = try MplexTestChannel(.listener, configuration)
        for number in 0..<3 as Range<UInt64> { try end.input(Frame(.newStream, number, ""), Frame(.messageInitiator, number, "x")) }
        #expect(try end.frames() == [Frame(.resetReceiver, 2)])
        #expect(end.accepted().count == 2)
    }

    @Test("A violation ends the connection with its reason, whatever the cut", arguments: [1, .max])
    func violation(piece: Int) throws {
        let end = try MplexTestChannel(.listener)
        try end.input(Frame(.newStream, 0, ""))
        let stream = try #require(end.accepted().first)
        try end.input(ByteBuffer(bytes: [0x02, 0x81, 0x80, 0x40]), piece: piece)
        #expect(end.ending?.code == .protocolViolation)
        #expect(end.ending?.message.contains("broke mplex: frame of 1048577 bytes") == true)
        #expect(throws: StreamError(.connectionLost, "")) { try stream.readNow() }
        // What comes until the channel is closed is dropped.
        try end.input(Frame(.newStream, 1, ""))
        #expect(end.accepted().isEmpty)
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!end.channel.isActive)
    }

    @Test("A channel that ends is a lost connection")
    func lost() throws {
        let end = try MplexTestChannel()
        let stream = try end.open()
        end.channel.close(promise: nil)
        end.channel.embeddedEventLoop.run()
        #expect(end.ending?.code == .lost)
        #expect(throws: StreamError(.connectionLost, "")) { try stream.readNow() }
    }

    @Test("Closing with grace lets streams end, refuses new ones, and then closes")
    func grace() throws {
        let end = try MplexTestChannel(.listener)
        try end.input(Frame(.newStream, 0, ""), Frame(.messageInitiator, 0, "x"))
        let stream = try #require(end.accepted().first)
        end.core?.handler?.close(.shutdown, grace: .seconds(5))
        #expect(end.ending?.code == .closed)
        try end.input(Frame(.newStream, 1, ""), Frame(.closeInitiator, 0))
        #expect(try end.frames() == [Frame(.resetReceiver, 1)])
        #expect(try stream.readNow() == "x")
        try stream.finishNow()
        #expect(try end.frames() == [Frame(.closeReceiver, 0)])
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!end.channel.isActive)
    }

    @Test("When the grace is over, streams that live are dropped")
    func graceOver() throws {
        let end = try MplexTestChannel(.listener)
        try end.input(Frame(.newStream, 0, ""))
        let stream = try #require(end.accepted().first)
        end.core?.handler?.close(.shutdown, grace: .seconds(5))
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(throws: StreamError(.connectionLost, "")) { try stream.readNow() }
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!end.channel.isActive)
    }
}
