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
        let end = MuxerChannelUnderTest(role, Yamux(configuration: configuration))
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

    /// Two honest sides.
    static func pair(_ bytes: [UInt8]) {
        var configuration = Self.configuration
        configuration.maximumOffences = .max
        configuration.keepAliveInterval = nil
        let muxer = Yamux(configuration: configuration)
        MuxerPairFuzzing.run(
            bytes, MuxerChannelUnderTest(.dialer, muxer), MuxerChannelUnderTest(.listener, muxer), name: { $0 }, nameOfOther: { $0 })
    }
}
