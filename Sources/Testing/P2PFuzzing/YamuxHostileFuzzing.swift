import NIOCore
import P2PCore
import P2PYamux

/// A session whose peer sends any frame at all: every limit holds, and the first breach of a rule is the last word.
enum YamuxHostileFuzzing {
    private static let configuration: YamuxConfiguration = {
        var configuration = YamuxConfiguration()
        configuration.maximumStreams = 6
        configuration.maximumBacklog = 3
        configuration.maximumPendingPongs = 4
        configuration.maximumWindow = 1 << 20
        configuration.maximumWindowGrowth = 1 << 20
        configuration.maximumOffences = 10
        return configuration
    }()

    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        let role = input.byte() & 1 == 0 ? ConnectionRole.dialer : .listener
        let budget: MemoryBudget
        do {
            let end = YamuxEndUnderTest(role, Self.configuration, now: now)
            budget = end.budget
            var operations = 0
            while !input.isEmpty, end.violation == nil {
                operations += 1
                let choice = input.byte()
                let id = end.stream(input.byte())
                switch choice % 16 {
                case 0...6: end.receive(Self.header(&input, choice), piece: 1 + input.size(), at: now)
                case 7: end.open(at: now)
                case 8: end.enqueue(input.size(), on: id)
                case 9: end.send(id, quantum: 1 + input.size())
                case 10: end.read(1 + input.size(), behind: input.byte(), on: id, at: now)
                case 11: end.finish(id)
                case 12:
                    if choice & 0x80 == 0 { end.reset(id) } else { end.stopReading(id, at: now) }
                case 13: _ = end.takeWire(at: now)
                case 14:
                    now = now + .milliseconds(Int64(input.short()))
                    end.tick(at: now)
                default: now = now + .microseconds(Int64(input.short()))
                }
                guard end.violation == nil else { break }
                end.check()
                precondition(end.session.controlCount <= operations, "\(end.session.controlCount) frames wait to be sent")
            }
        }
        precondition(budget.reserved == 0, "a session that is gone keeps \(budget.reserved) bytes")
        precondition(budget.passing.use == 0, "a session that is gone keeps \(budget.passing.use) bytes of readers who pass on")
    }

    private static func header(_ input: inout FuzzInput, _ choice: UInt8) -> YamuxHeader {
        let shape = input.byte()
        let type = YamuxFrameType(rawValue: shape & 3) ?? .data
        let flags = YamuxFlags(rawValue: UInt16(shape >> 2 & 0x0f))
        let id = choice & 0x80 == 0 ? UInt32(input.byte() & 0x0f) : input.word()
        let length = choice & 0x40 == 0 ? UInt32(input.size()) : input.word()
        let limit: UInt32 = 1 << 21
        return YamuxHeader(type: type, flags: flags, streamID: id, length: type == .data ? length % limit : length)
    }
}
