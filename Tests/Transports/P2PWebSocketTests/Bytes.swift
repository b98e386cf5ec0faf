import NIOCore
import NIOEmbedded
import P2PPipeline

@testable import P2PWebSocket

/// Everything that a reader makes of bytes that come in pieces of `step`.
func read(
    _ bytes: ByteBuffer, as side: WebSocketSide, takesText: Bool = false, step: Int = .max
) throws -> [WebSocketInput] {
    var reader = WebSocketFrameReader(side: side, takesText: takesText)
    let pool = RecordPool()
    var (rest, inputs) = (bytes, [WebSocketInput]())
    while var piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
        while let input = try reader.next(from: &piece, pool: pool) { inputs.append(input) }
    }
    return inputs
}

/// The data in what was read.
func data(_ inputs: [WebSocketInput]) -> [UInt8] {
    inputs.flatMap { input -> [UInt8] in
        if case .data(let bytes, _, _) = input { Array(bytes.readableBytesView) } else { [] }
    }
}

/// A masked frame with bits of the test's choosing; the key is zero unless given.
func rawFrame(_ first: UInt8, _ payload: [UInt8] = [], key: [UInt8] = [0, 0, 0, 0]) -> ByteBuffer {
    var frame = ByteBuffer(bytes: [first])
    switch payload.count {
    case 0..<126: frame.writeInteger(0x80 | UInt8(payload.count))
    case 126..<65_536: frame.writeMultipleIntegers(UInt8(0xfe), UInt16(payload.count))
    default: frame.writeMultipleIntegers(UInt8(0xff), UInt64(payload.count))
    }
    frame.writeBytes(key)
    frame.writeBytes(payload.enumerated().map { $1 ^ key[$0 % 4] })
    return frame
}

/// Notes what reaches the end of a pipeline.
final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var bytes: [UInt8] = []
    var errors: [any Error] = []
    var reads = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.reads += 1
        self.bytes += Array(self.unwrapInboundIn(data).readableBytesView)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.errors.append(error) }
}

extension EmbeddedChannel {
    /// Everything that was written and flushed, joined.
    func sent() throws -> ByteBuffer {
        var all = ByteBuffer()
        while var piece = try self.readOutbound(as: ByteBuffer.self) { all.writeBuffer(&piece) }
        return all
    }
}
