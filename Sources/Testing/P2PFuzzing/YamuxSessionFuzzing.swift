import NIOCore
import P2PCore
import P2PYamux

/// Two honest sessions with frames on their way: nothing is lost, no rule is broken, nothing is left.
enum YamuxSessionFuzzing {
    private static let configuration: YamuxConfiguration = {
        var configuration = YamuxConfiguration()
        configuration.maximumStreams = 12
        configuration.maximumBacklog = 4
        configuration.maximumWindow = 2 << 20
        configuration.maximumWindowGrowth = 4 << 20
        // Honest sides that reset all the time are the point here.
        configuration.maximumOffences = .max
        return configuration
    }()

    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        let dialer = YamuxEndUnderTest(.dialer, Self.configuration, now: now)
        let listener = YamuxEndUnderTest(.listener, Self.configuration, now: now)
        var forth: [YamuxHeader] = []
        var back: [YamuxHeader] = []
        while !input.isEmpty {
            let choice = input.byte()
            let isDialer = choice & 0x80 == 0
            let end = isDialer ? dialer : listener
            let id = end.stream(input.byte())
            now = now + .microseconds(Int64(choice & 0x60) * 10)
            switch choice & 0x1f {
            case 0...3: end.open(at: now)
            case 4...6: end.enqueue(input.size(), on: id)
            case 7...10: end.send(id, quantum: 1 + input.size())
            case 11...14: end.read(1 + input.size(), behind: input.byte(), on: id, at: now)
            case 15, 16: end.finish(id)
            case 17: end.reset(id)
            case 18: if id & 1 == (isDialer ? 0 : 1) { end.refuse(id, at: now) }
            case 19: end.stopReading(id, at: now)
            case 20...23:
                if isDialer { forth += dialer.takeWire(at: now) } else { back += listener.takeWire(at: now) }
            case 24...28:
                let count = 1 + input.number(below: 16)
                let piece = 1 + input.size()
                if isDialer {
                    for header in back.prefix(count) { dialer.receive(header, piece: piece, at: now) }
                    back.removeFirst(min(count, back.count))
                } else {
                    for header in forth.prefix(count) { listener.receive(header, piece: piece, at: now) }
                    forth.removeFirst(min(count, forth.count))
                }
            case 29:
                now = now + .milliseconds(Int64(input.short()))
                end.tick(at: now)
            case 30: if id == 0, input.byte() == 0xff { end.session.goAway(.normal) }
            default: now = now + .milliseconds(Int64(input.byte()))
            }
            dialer.check()
            listener.check()
        }
        for header in forth { listener.receive(header, at: now) }
        for header in back { dialer.receive(header, at: now) }
        Self.wind(dialer, listener, from: now)
        Self.compare(dialer, listener)
    }

    /// Reads and finishes everything.
    private static func wind(_ dialer: YamuxEndUnderTest, _ listener: YamuxEndUnderTest, from start: NIODeadline) {
        var now = start
        var rounds = 0
        while !dialer.streams.isEmpty || !listener.streams.isEmpty || rounds < 2 {
            rounds += 1
            precondition(rounds < 200, "two sessions do not come to an end: \(dialer.streams) and \(listener.streams)")
            for end in [dialer, listener] {
                for id in end.streams.keys.sorted() {
                    end.finish(id)
                    end.read(.max, on: id, at: now)
                    end.send(id, quantum: .max)
                }
            }
            now = now + .milliseconds(1)
            let forth = dialer.takeWire(at: now)
            let back = listener.takeWire(at: now)
            for header in forth { listener.receive(header, at: now) }
            for header in back { dialer.receive(header, at: now) }
            dialer.check()
            listener.check()
        }
    }

    private static func compare(_ dialer: YamuxEndUnderTest, _ listener: YamuxEndUnderTest) {
        for end in [dialer, listener] {
            precondition(end.violation == nil, "an honest side is accused: \(String(describing: end.violation))")
            precondition(end.session.windowGrowth == 0 && end.budget.reserved == 0 && end.budget.passing.use == 0, "windows stay reserved")
        }
        for (id, stream) in dialer.closed {
            guard let other = listener.closed[id] else {
                precondition(stream.wasReset, "stream \(id) is unknown to the peer")
                continue
            }
            guard !stream.wasReset, !other.wasReset else { continue }
            precondition(stream.sent == other.received && other.sent == stream.received, "stream \(id) lost bytes")
        }
    }
}
