import NIOCore
import P2PCore
import P2PTesting
import Testing

@testable import P2PYamux

@Suite("Random operations between two yamux sessions")
struct YamuxSequenceTests {
    /// Opens, sends, reads, half-closes, resets and goes away at random, with frames delayed and bodies in pieces.
    @Test("Nothing is lost, no rule is broken, nothing is left", arguments: 0..<60)
    func operations(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var configuration = YamuxConfiguration()
        configuration.maximumStreams = 24
        configuration.maximumBacklog = 6
        configuration.maximumOffences = 1_000_000
        configuration.maximumWindowGrowth = 4 << 20
        let pair = YamuxSessionPair(configuration)
        var flights: (forth: [YamuxHeader], back: [YamuxHeader]) = ([], [])
        for _ in 0..<3_000 {
            let end = random.next() % 2 == 0 ? pair.dialer : pair.listener
            pair.now = pair.now + .microseconds(Int64(random.next() % 3_000))
            let id = end.streams.keys.sorted().randomElement(using: &random) ?? 0
            switch random.next() % 20 {
            case 0...2: _ = end.open(at: pair.now)
            case 3...6: if end.streams[id]?.wantsFinish == false { end.streams[id]?.outgoing += Int(random.next() % 200_000) }
            case 7...10: end.send(id, quantum: 1 + Int(random.next() % 65_536))
            case 11...14: end.read(1 + Int(random.next() % 300_000), on: id, at: pair.now)
            case 15: end.streams[id]?.wantsFinish = true
            case 16: if random.next() % 8 == 0 { end.reset(id) }
            case 17:
                flights.forth += pair.dialer.takeWire(at: pair.now)
                flights.back += pair.listener.takeWire(at: pair.now)
            default:
                let piece = 1 + Int(random.next() % 70_000)
                for header in flights.forth { pair.listener.receive(header, piece: piece, at: pair.now) }
                for header in flights.back { pair.dialer.receive(header, piece: piece, at: pair.now) }
                flights = ([], [])
            }
        }
        for header in flights.forth { pair.listener.receive(header, at: pair.now) }
        for header in flights.back { pair.dialer.receive(header, at: pair.now) }
        self.wind(pair)
        for end in [pair.dialer, pair.listener] {
            #expect(end.violation == nil)
            #expect(end.session.streamCount == 0)
            #expect(end.session.windowGrowth == 0)
            #expect(end.streams.isEmpty)
            #expect(end.session.controlCount == 0)
        }
        for (id, stream) in pair.dialer.closed {
            guard let other = pair.listener.closed[id] else {
                #expect(stream.wasReset, "stream \(id) is unknown to the peer")
                continue
            }
            guard !stream.wasReset, !other.wasReset else { continue }
            #expect(stream.sent == other.received && other.sent == stream.received)
        }
    }

    /// Reads and finishes everything.
    private func wind(_ pair: YamuxSessionPair) {
        for _ in 0..<200 {
            for end in [pair.dialer, pair.listener] {
                for id in end.streams.keys {
                    end.streams[id]?.wantsFinish = true
                    end.read(.max, on: id, at: pair.now)
                    end.send(id, quantum: 65_536)
                }
            }
            pair.settle(latency: .milliseconds(1))
        }
    }
}
