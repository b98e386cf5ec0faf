import NIOCore
import P2PCore
import P2PYamux

/// The yamux channel handler, with real streams and bytes.
enum YamuxHandlerFuzzing {
    private static let configuration: YamuxConfiguration = {
        var configuration = YamuxConfiguration()
        configuration.maximumStreams = 8
        configuration.maximumBacklog = 4
        configuration.maximumWindow = 1 << 20
        configuration.maximumWindowGrowth = 2 << 20
        return configuration
    }()

    /// A peer that keeps to no rule; at the end the connection is lost, and nothing is left of it.
    static func hostile(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let role = input.byte() & 1 == 0 ? ConnectionRole.dialer : .listener
        let seed = input.byte()
        var configuration = Self.configuration
        configuration.maximumOffences = 20
        let end = YamuxChannelUnderTest(role, configuration)
        var volume = 0
        while !input.isEmpty, end.isActive, volume < 1 << 21 {
            let choice = input.byte()
            let index = end.held.isEmpty ? -1 : Int(choice >> 4) % end.held.count
            switch choice & 0x0f {
            case 0...4:
                let frame = Self.frame(&input, choice)
                volume += frame.count
                end.input(seed < 0x80 ? [frame] : FuzzInput.pieces(of: Array(frame.prefix(4_096)), seed: seed))
            case 5: end.input(FuzzInput.pieces(of: input.take(Int(input.byte())), seed: seed))
            case 6: end.open()
            case 7: end.accept()
            case 8, 9: end.write(input.size() >> 2, to: index)
            case 10, 11: end.read(1 + input.size(), from: index, isChecked: false)
            case 12: end.finish(index)
            case 13: end.end(index, input.byte())
            case 14: end.setWritability(input.byte() & 1 == 0)
            default: end.advance(by: .milliseconds(Int64(input.short())))
            }
            precondition(end.output().count <= 1 << 23)
            precondition(!end.isActive || end.streamCount <= configuration.maximumStreams * 2, "\(end.streamCount) streams")
        }
        end.lose()
    }

    private static func frame(_ input: inout FuzzInput, _ choice: UInt8) -> [UInt8] {
        let shape = input.byte()
        let type = YamuxFrameType(rawValue: shape & 3) ?? .data
        let flags = YamuxFlags(rawValue: UInt16(shape >> 2 & 0x0f))
        let length = choice & 0x80 == 0 ? UInt32(input.size()) : input.word()
        let header = YamuxHeader(type: type, flags: flags, streamID: UInt32(input.byte() & 0x0f), length: length)
        var buffer = ByteBuffer()
        buffer.writeYamuxHeader(header)
        if type == .data { buffer.writeRepeatingByte(shape, count: min(Int(length), 1 << 17)) }
        return Array(buffer.readableBytesView)
    }

    /// Two honest sides: every byte arrives, in order, once; when all has been said, nothing is left.
    static func pair(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let seed = input.byte()
        var configuration = Self.configuration
        configuration.maximumOffences = .max
        configuration.keepAliveInterval = nil
        let dialer = YamuxChannelUnderTest(.dialer, configuration)
        let listener = YamuxChannelUnderTest(.listener, configuration)
        var wires = (forth: [UInt8](), back: [UInt8]())
        var volume = 0
        while !input.isEmpty, volume < 1 << 19 {
            let choice = input.byte()
            let isDialer = choice & 0x80 == 0
            let end = isDialer ? dialer : listener
            let index = end.held.isEmpty ? -1 : Int(input.byte()) % end.held.count
            switch choice & 0x1f {
            case 0...2: end.open()
            case 3...5: end.accept()
            case 6...11:
                let count = input.size() >> 3
                volume += count
                end.write(count, to: index)
            case 12...16: end.read(1 + input.size(), from: index, isChecked: true)
            case 17, 18: end.finish(index)
            case 19: end.end(index, input.byte())
            case 20: end.setWritability(input.byte() & 1 == 0)
            case 21: end.advance(by: .microseconds(Int64(input.short())))
            case 22...26:
                if isDialer { wires.forth += dialer.output() } else { wires.back += listener.output() }
            default:
                let count = input.size()
                if isDialer {
                    Self.carry(&wires.back, count, to: dialer, seed)
                } else {
                    Self.carry(&wires.forth, count, to: listener, seed)
                }
            }
        }
        Self.wind(dialer, listener, &wires, seed)
        Self.compare(dialer, listener)
        dialer.lose()
        listener.lose()
    }

    private static func carry(_ wire: inout [UInt8], _ count: Int, to end: YamuxChannelUnderTest, _ seed: UInt8) {
        let part = Array(wire.prefix(count))
        wire.removeFirst(part.count)
        end.input(part.count > 8_192 ? [part] : FuzzInput.pieces(of: part, seed: seed))
    }

    /// Finishes, reads and carries until nothing moves.
    private static func wind(
        _ dialer: YamuxChannelUnderTest, _ listener: YamuxChannelUnderTest, _ wires: inout (forth: [UInt8], back: [UInt8]), _ seed: UInt8
    ) {
        for end in [dialer, listener] { end.setWritability(true) }
        var rounds = 0
        var idle = 0
        while idle < 3 {
            rounds += 1
            precondition(rounds < 500, "two sides do not come to an end")
            var hasMoved = false
            for end in [dialer, listener] {
                end.accept()
                for index in end.held.indices {
                    if !end.held[index].hasFinished { end.finish(index) }
                    while end.read(.max, from: index, isChecked: true) { hasMoved = true }
                }
            }
            wires.forth += dialer.output()
            wires.back += listener.output()
            hasMoved = hasMoved || !wires.forth.isEmpty || !wires.back.isEmpty
            Self.carry(&wires.forth, .max, to: listener, seed)
            Self.carry(&wires.back, .max, to: dialer, seed)
            for end in [dialer, listener] { end.advance(by: .milliseconds(1)) }
            idle = hasMoved ? 0 : idle + 1
        }
    }

    private static func compare(_ dialer: YamuxChannelUnderTest, _ listener: YamuxChannelUnderTest) {
        precondition(dialer.isActive && listener.isActive, "an honest connection is lost")
        dialer.checkIdle()
        listener.checkIdle()
        let others = Dictionary(listener.held.map { ($0.stream.muxed.id, $0) }) { first, _ in first }
        for held in dialer.held where !held.isBroken {
            guard let other = others[held.stream.muxed.id] else {
                precondition(listener.dropped.contains(held.stream.muxed.id), "stream \(held.stream.muxed.id) is unknown to the peer")
                continue
            }
            guard !other.isBroken else { continue }
            precondition(held.written == other.read && other.written == held.read, "stream \(held.stream.muxed.id) lost bytes")
            precondition(held.hasEnded && other.hasEnded)
        }
    }
}
