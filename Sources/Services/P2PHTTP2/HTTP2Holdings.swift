import NIOCore
import NIOHTTP2
import P2PCore

/// Counts what nio-http2 keeps of bodies that nobody has read, for the account of the connection.
///
/// It has them in the channels of exchanges, where nobody sees them until they are asked for. So the frames that come are looked at (RFC 9113, section
/// 4.1), each time after nio-http2, which knows then whose they are. Confined to the event loop.
final class HTTP2Holdings: ChannelInboundHandler, NIOHTTP2StreamDelegate, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let prefaceSize = 24
    private static let headSize = 9
    private static let data: UInt8 = 0
    private static let padded: UInt8 = 0x8

    /// The stream beneath all exchanges.
    let stream: MuxedStream
    /// Is told of exchanges as well.
    private let next: (any NIOHTTP2StreamDelegate)?
    /// Bytes that have come and were not read, of each exchange that lives. Below zero while what was read is yet to be counted here.
    private var held: [Int: Int] = [:]

    /// What is left of the hello with which a client begins.
    private var preface: Int
    /// The head of a frame, as far as it has come.
    private var head = ByteBuffer()
    /// What is still to come of a frame behind its head.
    private var rest = 0
    /// The exchange of a frame of data that comes; its padding is not said yet.
    private var padding: Int?
    private var exchange: Int?

    init(_ stream: MuxedStream, expectsPreface: Bool, next: (any NIOHTTP2StreamDelegate)?) {
        self.stream = stream
        self.next = next
        self.preface = expectsPreface ? Self.prefaceSize : 0
    }

    // MARK: Exchanges

    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) {
        self.held[Int(id)] = 0
        self.next?.streamCreated(id, channel: channel)
    }

    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) { self.next?.streamClosed(id, channel: channel) }

    /// nio-http2 has handed out so many bytes of a body.
    func gave(_ count: Int, of exchange: Int) { self.count(-count, exchange) }

    /// nio-http2 keeps nothing of it any more.
    func ended(_ exchange: Int) {
        if let held = self.held.removeValue(forKey: exchange), held != 0 { self.stream.keepElsewhere(-held) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        for exchange in Array(self.held.keys) { self.ended(exchange) }
    }

    private func count(_ change: Int, _ exchange: Int) {
        guard change != 0, let held = self.held[exchange] else { return }
        self.held[exchange] = held + change
        self.stream.keepElsewhere(change)
    }

    // MARK: Frames

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = self.unwrapInboundIn(data)
        context.fireChannelRead(data)
        self.look(at: bytes)
    }

    func look(at bytes: ByteBuffer) {
        var bytes = bytes
        self.preface -= Self.skip(&bytes, self.preface)
        while bytes.readableBytes > 0 {
            if self.rest > 0 {
                self.more(&bytes)
            } else if var missing = bytes.readSlice(length: min(bytes.readableBytes, Self.headSize - self.head.readableBytes)) {
                self.head.writeBuffer(&missing)
                if self.head.readableBytes == Self.headSize { self.begin() }
            }
        }
    }

    private func begin() {
        guard let high = self.head.readInteger(as: UInt8.self), let low = self.head.readInteger(as: UInt16.self),
            let type = self.head.readInteger(as: UInt8.self), let flags = self.head.readInteger(as: UInt8.self),
            let number = self.head.readInteger(as: UInt32.self)
        else { return }
        self.head.clear()
        self.rest = Int(high) << 16 | Int(low)
        self.exchange = type == Self.data ? Int(number & 0x7fff_ffff) : nil
        self.padding = flags & Self.padded == 0 ? 0 : nil
    }

    private func more(_ bytes: inout ByteBuffer) {
        if self.exchange != nil, self.padding == nil {
            self.padding = bytes.readInteger(as: UInt8.self).map(Int.init)
            self.rest -= 1
        }
        let taken = Self.skip(&bytes, self.rest)
        let before = max(0, self.rest - (self.padding ?? 0))
        self.rest -= taken
        if let exchange = self.exchange { self.count(before - max(0, self.rest - (self.padding ?? 0)), exchange) }
    }

    private static func skip(_ bytes: inout ByteBuffer, _ count: Int) -> Int {
        let taken = min(bytes.readableBytes, count)
        bytes.moveReaderIndex(forwardBy: taken)
        return taken
    }
}
