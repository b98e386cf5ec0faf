import NIOCore
import NIOEmbedded
import P2PCore
import P2PMuxing
import P2PTesting
import Testing

@testable import P2PYamux

@Suite("Two yamux handlers back to back")
struct YamuxPairTests {
    @Test("An echo of bytes returns whole, however records are cut", arguments: [1, 11, 12, 13, 4_096, .max])
    func echo(piece: Int) throws {
        let pair = try YamuxTestPair(piece: piece)
        let here = try pair.dialer.open()
        try here.writeNow("ping")
        try here.finishNow()
        try pair.settle()
        let there = try #require(pair.listener.accepted().first)
        var received = ""
        while let text = try there.readNow(), !text.isEmpty { received += text }
        #expect(received == "ping")
        try there.writeNow(received)
        try there.finishNow()
        try pair.settle()
        var returned = ""
        while let text = try here.readNow(), !text.isEmpty { returned += text }
        #expect(returned == "ping")
        for end in [pair.dialer, pair.listener] { #expect(end.connection.traffic.streams == 0) }
    }

    @Test("Both sides write three windows before either reads, and every byte arrives")
    func bothWrite() throws {
        let pair = try YamuxTestPair()
        let here = try pair.dialer.open()
        let body = String((0..<786_432).map { "0123456789"[String.Index(utf16Offset: $0 % 10, in: "")] })
        try here.writeNow(body)
        try here.finishNow()
        try pair.settle()
        let there = try #require(pair.listener.accepted().first)
        try there.writeNow(body)
        try there.finishNow()
        try pair.settle()
        var (atListener, atDialer) = ("", "")
        var ended = (false, false)
        while ended != (true, true) {
            while !ended.0, let text = try there.readNow(upTo: 10_000) {
                atListener += text
                ended.0 = text.isEmpty
            }
            while !ended.1, let text = try here.readNow(upTo: 10_000) {
                atDialer += text
                ended.1 = text.isEmpty
            }
            try pair.settle()
        }
        #expect(atListener == body)
        #expect(atDialer == body)
    }

    @Test("One unread stream holds up nobody else")
    func unreadStream() throws {
        let pair = try YamuxTestPair()
        let stuck = try pair.dialer.open()
        try stuck.writeNow(String(repeating: "s", count: 1_000_000))
        let lively = try pair.dialer.open()
        try lively.writeNow("a")
        try pair.settle()
        let streams = pair.listener.accepted()
        #expect(streams.count == 2)
        for round in 0..<100 {
            try lively.writeNow("round \(round)")
            try pair.settle()
        }
        var received = ""
        while let text = try streams[1].readNow() { received += text }
        #expect(received == "a" + (0..<100).map { "round \($0)" }.joined())
        #expect(pair.listener.connection.traffic.streams == 2)
    }

    @Test("Two thousand streams, one after another, leave nothing behind")
    func manyStreams() throws {
        let pair = try YamuxTestPair()
        for _ in 0..<2_000 {
            let here = try pair.dialer.open()
            try here.writeNow("x")
            try here.finishNow()
            try pair.settle()
            let there = try #require(pair.listener.accepted().first)
            #expect(try there.readNow() == "x")
            try there.finishNow()
            try pair.settle()
            #expect(try here.readNow() == "")
        }
        for end in [pair.dialer, pair.listener] {
            #expect(end.connection.traffic.streams == 0)
            #expect(end.handler?.streams.isEmpty == true)
            #expect(end.channel.isActive)
        }
    }

    @Test("Random streams, writes, reads, half-closes and resets lose nothing", arguments: 0..<12)
    func randomOperations(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var configuration = YamuxConfiguration()
        configuration.maximumOffences = .max
        let pair = try YamuxTestPair(piece: seed % 3 == 0 ? 1_000 : .max, configuration)
        /// Both handles of a stream, and what each has written and read.
        struct Ends {
            var handles: [PeerStream?]
            var written = [0, 0]
            var read = [0, 0]
            var isFinished = [false, false]
            var wasReset = false
        }
        var all: [Ends] = []
        for _ in 0..<400 {
            let side = Int(random.next() % 2)
            let end = side == 0 ? pair.dialer : pair.listener
            if random.next() % 10 == 0, all.count < 20 {
                let stream = try end.open()
                try stream.writeNow("!")
                try pair.settle()
                let other = try #require((side == 0 ? pair.listener : pair.dialer).accepted().first)
                var ends = Ends(handles: side == 0 ? [stream, other] : [other, stream])
                ends.written[side] = 1
                all.append(ends)
                continue
            }
            guard let index = all.indices.randomElement(using: &random), let stream = all[index].handles[side] else { continue }
            if all[index].wasReset { continue }
            switch random.next() % 8 {
            case 0...3 where !all[index].isFinished[side]:
                let count = Int(random.next() % 100_000)
                try stream.writeNow(String(repeating: "x", count: count))
                all[index].written[side] += count
            case 4...5:
                while let text = try stream.readNow(upTo: 50_000), !text.isEmpty { all[index].read[side] += text.utf8.count }
            case 6 where random.next() % 4 == 0:
                try stream.finishNow()
                all[index].isFinished[side] = true
            case 7 where random.next() % 20 == 0:
                stream.reset()
                all[index].wasReset = true
            default: break
            }
            if random.next() % 2 == 0 { try pair.settle() }
        }
        for round in 0..<40 {
            for index in all.indices where !all[index].wasReset {
                for side in 0..<2 {
                    guard let stream = all[index].handles[side] else { continue }
                    if round == 0 { try stream.finishNow() }
                    while let text = try stream.readNow(), !text.isEmpty { all[index].read[side] += text.utf8.count }
                }
            }
            try pair.settle()
        }
        for ends in all where !ends.wasReset { #expect(ends.read == [ends.written[1], ends.written[0]]) }
        for end in [pair.dialer, pair.listener] {
            #expect(end.connection.traffic.streams == 0)
            #expect(end.channel.isActive)
            #expect(end.budget.reserved == 0)
        }
    }
}
