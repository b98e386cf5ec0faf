import NIOCore
import P2PCore

/// Two honest sides with real streams and bytes: every byte arrives, in order, once; when all has been said, nothing is left.
enum MuxerPairFuzzing {
    /// - Parameters:
    ///   - name: the dialer's number for a stream as a name that both sides share.
    ///   - nameOfOther: the listener's number, likewise.
    static func run(
        _ bytes: [UInt8], _ dialer: MuxerChannelUnderTest, _ listener: MuxerChannelUnderTest, name: (UInt64) -> UInt64,
        nameOfOther: (UInt64) -> UInt64
    ) {
        var input = FuzzInput(bytes)
        let seed = input.byte()
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
        Self.compare(dialer, listener, name, nameOfOther)
        dialer.lose()
        listener.lose()
    }

    private static func carry(_ wire: inout [UInt8], _ count: Int, to end: MuxerChannelUnderTest, _ seed: UInt8) {
        let part = Array(wire.prefix(count))
        wire.removeFirst(part.count)
        end.input(part.count > 8_192 ? [part] : FuzzInput.pieces(of: part, seed: seed))
    }

    /// Finishes, reads and carries until nothing moves.
    private static func wind(
        _ dialer: MuxerChannelUnderTest, _ listener: MuxerChannelUnderTest, _ wires: inout (forth: [UInt8], back: [UInt8]), _ seed: UInt8
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

    private static func compare(
        _ dialer: MuxerChannelUnderTest, _ listener: MuxerChannelUnderTest, _ name: (UInt64) -> UInt64, _ nameOfOther: (UInt64) -> UInt64
    ) {
        precondition(dialer.isActive && listener.isActive, "an honest connection is lost")
        dialer.checkIdle()
        listener.checkIdle()
        let others = Dictionary(listener.held.compactMap { held in held.number.map { (nameOfOther($0), held) } }) { first, _ in first }
        let dropped = Set(listener.dropped.map(nameOfOther))
        for held in dialer.held where !held.isBroken {
            guard let number = held.number else { preconditionFailure("an honest stream never had a number") }
            guard let other = others[name(number)] else {
                precondition(dropped.contains(name(number)), "stream \(number) is unknown to the peer")
                continue
            }
            guard !other.isBroken else { continue }
            precondition(held.written == other.read && other.written == held.read, "stream \(number) lost bytes")
            precondition(held.hasEnded && other.hasEnded)
        }
    }
}
