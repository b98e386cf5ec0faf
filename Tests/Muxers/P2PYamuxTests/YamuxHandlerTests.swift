import NIOCore
import NIOEmbedded
import P2PCore
import Testing

@testable import P2PYamux

@Suite("The yamux handler")
struct YamuxHandlerTests {
    typealias Frame = YamuxTestChannel.Frame

    @Test("Opening a stream sends nothing; its first bytes open it")
    func lazyOpening() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        #expect(try end.frames() == [])
        try stream.writeNow("hello")
        #expect(try end.frames() == [Frame(.data, .syn, 1, "hello")])
        try stream.writeNow("again")
        #expect(try end.frames() == [Frame(.data, [], 1, "again")])
    }

    @Test("Ids are given in the order in which streams begin to speak")
    func idsInOrder() throws {
        let end = try YamuxTestChannel(.dialer)
        let (first, second) = (try end.open(), try end.open())
        try second.writeNow("b")
        try first.writeNow("a")
        #expect(try end.frames() == [Frame(.data, .syn, 1, "b"), Frame(.data, .syn, 3, "a")])
    }

    @Test("A half-close has a frame of its own, right behind the last bytes")
    func finish() throws {
        let end = try YamuxTestChannel(.dialer)
        let (first, second) = (try end.open(), try end.open())
        try first.writeNow("bye")
        try first.finishNow()
        #expect(try end.frames() == [Frame(.data, .syn, 1, "bye"), Frame(.data, .fin, 1)])
        #expect(first.muxed.hasFinishLeft)
        try second.writeNow("x")
        #expect(try end.frames() == [Frame(.data, .syn, 3, "x")])
        try second.finishNow()
        #expect(try end.frames() == [Frame(.data, .fin, 3)])
    }

    @Test("Streams that have something to say share one record and one flush")
    func sharedRecord() throws {
        let end = try YamuxTestChannel(.dialer)
        let streams = try (0..<10).map { _ in try end.open() }
        for stream in streams { try stream.writeNow("x") }
        #expect(try end.frames().count == 10)
        #expect(end.writer.records == 1)
        #expect(end.writer.flushes == 1)
    }

    @Test("Many bytes fill records to the brim")
    func fullRecords() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        try stream.writeNow(String(repeating: "x", count: 200_000))
        #expect(try end.frames().map(\.header.length).reduce(0, +) == 200_000)
        #expect(end.writer.records == 4)
    }

    @Test("While others wait, a stream gets no more than its quantum in a turn")
    func fairness() throws {
        let end = try YamuxTestChannel(.dialer)
        let streams = try (0..<3).map { _ in try end.open() }
        for stream in streams { try stream.writeNow(String(repeating: "x", count: 100_000)) }
        let headers = try end.frames().map(\.header)
        #expect(headers.prefix(4).map(\.streamID) == [1, 3, 5, 1])
        #expect(headers.prefix(3).allSatisfy { $0.length == 16_384 })
        for id in [1, 3, 5] as [UInt32] { #expect(headers.filter { $0.streamID == id }.map(\.length).reduce(0, +) == 100_000) }
    }

    @Test("Nothing is written while the channel is not writable, and everything afterwards")
    func writability() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        end.channel.isWritable = false
        try stream.writeNow("later")
        #expect(try end.frames() == [])
        end.channel.isWritable = true
        end.channel.pipeline.fireChannelWritabilityChanged()
        #expect(try end.frames() == [Frame(.data, .syn, 1, "later")])
    }

    @Test("A stream of the peer is handed over with its bytes, however they are cut", arguments: [1, 5, 12, 13, .max])
    func inbound(piece: Int) throws {
        let end = try YamuxTestChannel(.listener)
        try end.input(Frame(.data, .syn, 1, "hello "), Frame(.data, .fin, 1, "world"), piece: piece)
        let stream = try #require(end.accepted().first)
        var text = ""
        while let piece = try stream.readNow(), !piece.isEmpty { text += piece }
        #expect(text == "hello world")
        try stream.writeNow("thanks")
        try stream.finishNow()
        #expect(try end.frames() == [Frame(.data, .ack, 1, "thanks"), Frame(.data, .fin, 1)])
        #expect(end.connection.traffic.streams == 0)
    }

    @Test("Credit goes back when the reader has consumed half a window")
    func credit() throws {
        let end = try YamuxTestChannel(.listener)
        let body = String(repeating: "x", count: 131_072)
        try end.input(Frame(.data, .syn, 1, body), Frame(.data, [], 1, body))
        let stream = try #require(end.accepted().first)
        _ = try stream.readNow(upTo: 131_071)
        #expect(try end.frames() == [])
        _ = try stream.readNow(upTo: 1)
        let frames = try end.frames()
        #expect(frames.contains(Frame(.windowUpdate, .ack, 1, length: 131_072)))
        #expect(frames.contains(Frame(.ping, .syn, 0, length: 0)) || frames.count == 1)
    }

    @Test("A sender that ran out of window goes on when it gets more")
    func windowExhausted() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        try stream.writeNow(String(repeating: "x", count: 262_144 + 10))
        #expect(try end.frames().map(\.header.length).reduce(0, +) == 262_144)
        try end.input(Frame(.windowUpdate, .ack, 1, length: 4))
        #expect(try end.frames() == [Frame(.data, [], 1, "xxxx")])
        try end.input(Frame(.windowUpdate, [], 1, length: 100))
        #expect(try end.frames() == [Frame(.data, [], 1, "xxxxxx")])
    }

    @Test("A reset by the peer fails the stream with its number; the connection goes on")
    func resetByPeer() throws {
        let end = try YamuxTestChannel(.dialer)
        let stream = try end.open()
        try stream.writeNow("x")
        _ = try end.output()
        try end.input(Frame(.windowUpdate, .rst, 1, length: 0x1003))
        #expect(throws: StreamError(.reset, "")) { try stream.readNow() }
        #expect(stream.muxed.failure?.resetCode == .protocolViolation)
        #expect(end.connection.traffic.streams == 0)
        #expect(end.channel.isActive)
    }

    @Test("Our reset reaches the peer; one of a stream that never spoke does not")
    func ourReset() throws {
        let end = try YamuxTestChannel(.dialer)
        let (first, second) = (try end.open(), try end.open())
        try first.writeNow("x")
        _ = try end.output()
        first.reset(.cancelled)
        second.reset(.cancelled)
        #expect(try end.frames() == [Frame(.windowUpdate, .rst, 1)])
        #expect(end.connection.traffic.streams == 0)
    }

    @Test("A handle that is let go resets its stream")
    func letGo() throws {
        let end = try YamuxTestChannel(.dialer)
        do {
            let stream = try end.open()
            try stream.writeNow("x")
            _ = try end.output()
        }
        #expect(try end.frames() == [Frame(.windowUpdate, .rst, 1)])
        #expect(end.connection.traffic.streams == 0)
    }

    @Test("Pings are answered with their value")
    func ping() throws {
        let end = try YamuxTestChannel(.listener)
        try end.input(Frame(.ping, .syn, 0, length: 42))
        #expect(try end.frames() == [Frame(.ping, .ack, 0, length: 42)])
    }

    @Test("At the stream limit opening fails with an error that names it, and works again when a stream has ended")
    func streamLimit() throws {
        var configuration = YamuxConfiguration()
        configuration.maximumStreams = 2
        let end = try YamuxTestChannel(.dialer, configuration)
        let (first, _second) = (try end.open(), try end.open())
        #expect(throws: ConnectionError(.resourceLimit, "")) { try end.open() }
        first.reset()
        _ = try end.output()
        _ = try end.open()
        withExtendedLifetime(_second) {}
    }

    @Test("Streams beyond the unacknowledged backlog wait, and are sent when one is acknowledged")
    func outboundBacklog() throws {
        var configuration = YamuxConfiguration()
        configuration.maximumBacklog = 1
        let end = try YamuxTestChannel(.dialer, configuration)
        let (first, second) = (try end.open(), try end.open())
        try first.writeNow("a")
        try second.writeNow("b")
        #expect(try end.frames() == [Frame(.data, .syn, 1, "a")])
        try second.writeNow("c")
        #expect(try end.frames() == [])
        try end.input(Frame(.windowUpdate, .ack, 1))
        #expect(try end.frames() == [Frame(.data, .syn, 3, "bc")])
    }

    @Test("Streams that nobody accepts are refused beyond the backlog")
    func inboundBacklog() throws {
        var configuration = YamuxConfiguration()
        configuration.maximumBacklog = 2
        let end = try YamuxTestChannel(.listener, configuration)
        for id in [1, 3, 5] as [UInt32] { try end.input(Frame(.data, .syn, id, "x")) }
        #expect(try end.frames() == [Frame(.windowUpdate, .rst, 5, length: 0x1001)])
        #expect(end.accepted().count == 2)
    }

    @Test("A peer that writes on to a stream which we finished and let go is reset after half a window")
    func abandoned() throws {
        let end = try YamuxTestChannel(.listener)
        try end.input(Frame(.data, .syn, 1, "x"))
        try end.accepted().first?.finishNow()
        #expect(try end.frames() == [Frame(.data, .ack, 1), Frame(.data, .fin, 1)])
        let body = String(repeating: "x", count: 131_071)
        try end.input(Frame(.data, [], 1, body))
        #expect(try end.frames() == [Frame(.windowUpdate, .rst, 1)])
        #expect(end.connection.traffic.streams == 0)
    }
}
