import NIOCore
import NIOEmbedded
import P2PCore
import Testing

@testable import P2PMplex

/// What happens to streams whose readers don't keep up.
@Suite("Mplex and slow readers")
struct MplexReaderTests {
    typealias Frame = MplexTestChannel.Frame
    private static let mebibyte = 1 << 20

    private static func end(streams: UInt64, _ configuration: MplexConfiguration = MplexConfiguration()) throws -> (
        end: MplexTestChannel, streams: [PeerStream]
    ) {
        let end = try MplexTestChannel(.listener, configuration)
        for number in 0..<streams { try end.input(Frame(.newStream, number, "")) }
        return (end, end.accepted())
    }

    @Test("An unread stream is reset when its limit is reached, to the byte; others go on")
    func limit() throws {
        let (end, streams) = try Self.end(streams: 2)
        try end.input(0, count: 4 * Self.mebibyte)
        #expect(try end.frames() == [])
        #expect(streams[0].muxed.unreadBytes == 4 * Self.mebibyte)
        try end.input(Frame(.messageInitiator, 0, "x"))
        #expect(try end.frames() == [Frame(.resetReceiver, 0)])
        let error = #expect(throws: StreamError.self) { try streams[0].readNow() }
        #expect(error?.code == .resourceLimit)
        #expect(error?.message.contains("maximumUnread") == true)
        #expect(streams[0].muxed.unreadBytes == 0)
        try end.input(Frame(.messageInitiator, 1, "still here"))
        #expect(try streams[1].readNow() == "still here")
        #expect(end.connection.traffic.streams == 1)
    }

    @Test("What is read makes room: a stream may carry any number of bytes")
    func reading() throws {
        let (end, streams) = try Self.end(streams: 1)
        for _ in 0..<10 {
            try end.input(0, count: 2 * Self.mebibyte)
            #expect(try streams[0].drainNow() == 2 * Self.mebibyte)
        }
        #expect(try end.frames() == [])
    }

    @Test("When too much waits in all, the stream with the most of it is reset")
    func together() throws {
        let (end, streams) = try Self.end(streams: 7)
        for number in 1..<6 as Range<UInt64> { try end.input(number, count: 3 * Self.mebibyte) }
        try end.input(0, count: Self.mebibyte)
        #expect(try end.frames() == [])
        try end.input(6, count: Self.mebibyte / 2)
        let frames = try end.frames()
        #expect(frames.count == 1 && frames[0].flag == .resetReceiver && (1...5).contains(frames[0].number))
        #expect(streams[0].muxed.unreadBytes == Self.mebibyte)
        #expect(streams[6].muxed.unreadBytes == Self.mebibyte / 2)
        #expect(end.connection.traffic.streams == 6)
    }

    @Test("Streams that were read in the meantime don't count")
    func recount() throws {
        let (end, streams) = try Self.end(streams: 8)
        for number in 0..<8 as Range<UInt64> {
            try end.input(number, count: 3 * Self.mebibyte)
            // The last bytes of a stream are read without the muxer hearing of it.
            try end.input(Frame(.closeInitiator, number))
            _ = try streams[Int(number)].drainNow()
        }
        #expect(try end.frames() == [])
        #expect(end.connection.traffic.streams == 8)
    }

    @Test("The channel reads nothing while a reader is slow, and again when it has caught up")
    func pause() throws {
        let (end, streams) = try Self.end(streams: 1)
        end.channel.read()
        let before = end.reads.count
        try end.input(0, count: Self.mebibyte + 64 * 1024)
        end.channel.read()
        #expect(end.reads.count == before)
        while streams[0].muxed.unreadBytes > Self.mebibyte / 2 { _ = try streams[0].readNow() }
        _ = try end.frames()
        #expect(end.reads.count == before + 1)
        end.channel.read()
        #expect(end.reads.count == before + 2)
    }

    @Test("A reader who takes nothing is waited for once, for a moment")
    func patience() throws {
        let (end, streams) = try Self.end(streams: 1)
        try end.input(0, count: 2 * Self.mebibyte)
        end.channel.read()
        let before = end.reads.count
        end.channel.embeddedEventLoop.advanceTime(by: .milliseconds(499))
        #expect(end.reads.count == before)
        end.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(end.reads.count == before + 1)
        // No second time.
        try end.input(0, count: Self.mebibyte)
        end.channel.read()
        #expect(end.reads.count == before + 2)
        // Once it has caught up, it is a reader like others.
        #expect(try streams[0].drainNow() == 3 * Self.mebibyte)
        _ = try end.frames()
        try end.input(0, count: 2 * Self.mebibyte)
        end.channel.read()
        #expect(end.reads.count == before + 2)
    }

    @Test("A reader who takes a little is waited for again")
    func slowly() throws {
        let (end, streams) = try Self.end(streams: 1)
        try end.input(0, count: 3 * Self.mebibyte)
        end.channel.read()
        let before = end.reads.count
        for _ in 0..<5 {
            _ = try streams[0].readNow(upTo: 1_000)
            end.channel.embeddedEventLoop.advanceTime(by: .milliseconds(500))
            #expect(end.reads.count == before)
        }
        end.channel.embeddedEventLoop.advanceTime(by: .milliseconds(500))
        #expect(end.reads.count == before + 1)
    }

    @Test("A stream that ends while it is waited for lets the channel read", arguments: [true, false])
    func ending(isReset: Bool) throws {
        let (end, streams) = try Self.end(streams: 1)
        try end.input(0, count: 2 * Self.mebibyte)
        end.channel.read()
        let before = end.reads.count
        if isReset { streams[0].reset() } else { try end.input(Frame(.closeInitiator, 0)) }
        _ = try end.frames()
        #expect(end.reads.count == before + 1)
    }

    @Test("What arrives for a stream that nobody reads any more is dropped, while our side sends on")
    func stopped() throws {
        let (end, streams) = try Self.end(streams: 1)
        streams[0].stopReading()
        try end.input(0, count: 10 * Self.mebibyte)
        try streams[0].writeNow("on")
        #expect(try end.frames() == [Frame(.messageReceiver, 0, "on")])
    }

    @Test("A peer that writes on to a stream which we finished and no longer read is reset")
    func abandoned() throws {
        var configuration = MplexConfiguration()
        configuration.maximumDiscard = 128 * 1024
        let (end, streams) = try Self.end(streams: 1, configuration)
        streams[0].stopReading()
        try streams[0].finishNow()
        _ = try end.frames()
        try end.input(0, count: 128 * 1024)
        #expect(try end.frames() == [])
        try end.input(Frame(.messageInitiator, 0, "x"))
        #expect(try end.frames() == [Frame(.resetReceiver, 0)])
        #expect(end.connection.traffic.streams == 0)
    }

    @Test("A stream that we finished and no longer read is reset after a minute")
    func lingering() throws {
        let (end, streams) = try Self.end(streams: 1)
        try streams[0].finishNow()
        _ = try end.frames()
        streams[0].stopReading()
        _ = try end.frames()
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(59))
        #expect(try end.frames() == [])
        end.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(try end.frames() == [Frame(.resetReceiver, 0)])
        #expect(end.connection.traffic.streams == 0)
    }
}
