import NIOCore
import NIOHTTP2
import P2PCore

/// Counts what nio-http2 keeps of bodies that nobody has read, for the account of the connection.
///
/// It has them in the channels of exchanges, where nobody sees them until they are asked for. So the frames that come are looked at (RFC 9113, section
/// 4.1), and counted after nio-http2 has had them, which knows then whose they are. Confined to the event loop.
final class HTTP2Holdings: ChannelInboundHandler, NIOHTTP2StreamDelegate, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let prefaceSize = 24
    private static let headSize = 9
    private static let data: UInt8 = 0
    private static let padded: UInt8 = 0x8
    /// What is kept of a piece of a body beside its bytes.
    private static let pieceCost = 128
    /// Pieces for which an exchange keeps room.
    private static let fewPieces = 16

    /// What is held of an exchange.
    private struct Held {
        /// Pieces that have come and were not handed out: the bytes, and what they take beyond those. Others may lie between them in a record,
        /// and it is kept whole for the least of them.
        var pieces = CircularBuffer<(bytes: Int, surplus: Int)>(initialCapacity: 0)
        /// Bytes that were handed out and are yet to be counted here.
        var ahead = 0

        /// Gives room back that many small pieces took. Whoever reads as the pieces come never has so many, and allocates nothing.
        mutating func shrink() {
            if self.pieces.isEmpty, self.pieces.capacity > HTTP2Holdings.fewPieces { self.pieces = CircularBuffer(initialCapacity: 0) }
        }
    }

    /// The stream beneath all exchanges.
    let stream: MuxedStream
    /// Is told of exchanges as well.
    private let next: (any NIOHTTP2StreamDelegate)?
    /// Of each exchange that lives.
    private var held: [Int: Held] = [:]
    /// Pieces of bodies in the record that is looked at.
    private var found: [(exchange: Int, bytes: Int)] = []

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
        self.held[Int(id)] = Held()
        self.next?.streamCreated(id, channel: channel)
    }

    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) { self.next?.streamClosed(id, channel: channel) }

    /// nio-http2 has handed out so many bytes of a body.
    func gave(_ count: Int, of exchange: Int) {
        var (left, freed) = (count, 0)
        while left > 0, let first = self.held[exchange]?.pieces.first {
            let taken = min(left, first.bytes)
            left -= taken
            freed += taken
            if taken < first.bytes {
                self.held[exchange]?.pieces[offset: 0].bytes -= taken
            } else {
                freed += first.surplus
                self.held[exchange]?.pieces.removeFirst()
            }
        }
        self.held[exchange]?.ahead += left
        self.held[exchange]?.shrink()
        if freed > 0 { self.stream.keepElsewhere(-freed) }
    }

    /// nio-http2 keeps nothing of it any more.
    func ended(_ exchange: Int) {
        let pieces = self.held.removeValue(forKey: exchange)?.pieces ?? []
        let held = pieces.reduce(0) { $0 + $1.bytes + $1.surplus }
        if held > 0 { self.stream.keepElsewhere(-held) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        for exchange in Array(self.held.keys) { self.ended(exchange) }
    }

    private func came(_ bytes: Int, surplus: Int, of exchange: Int) {
        guard let ahead = self.held[exchange]?.ahead else { return }
        let paid = min(ahead, bytes)
        self.held[exchange]?.ahead -= paid
        guard paid < bytes else { return }
        self.held[exchange]?.pieces.append((bytes - paid, surplus))
        self.stream.keepElsewhere(bytes - paid + surplus)
    }

    // MARK: Frames

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let record = ByteQueue.compacted(self.unwrapInboundIn(data))
        self.look(at: record)
        context.fireChannelRead(self.wrapInboundOut(record))
        self.countFound(in: record.storageCapacity)
    }

    /// Finds the pieces of bodies in a record.
    func look(at record: ByteBuffer) {
        var bytes = record
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

    /// Counts the pieces that were found in a record which takes so many bytes.
    func countFound(in capacity: Int) {
        let sum = self.found.reduce(0) { $0 + $1.bytes }
        let room = max(0, capacity - sum)
        // Many small pieces of one exchange are one here: they lie in one record.
        var (last, bytes, pieces) = (0, 0, 0)
        func count() {
            if pieces > 0 { self.came(bytes, surplus: pieces * Self.pieceCost + room * bytes / sum, of: last) }
        }
        for piece in self.found {
            if piece.exchange != last {
                count()
                (last, bytes, pieces) = (piece.exchange, 0, 0)
            }
            bytes += piece.bytes
            pieces += 1
        }
        count()
        self.found.removeAll(keepingCapacity: true)
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
        let count = before - max(0, self.rest - (self.padding ?? 0))
        if let exchange = self.exchange, count > 0 { self.found.append((exchange, count)) }
    }

    private static func skip(_ bytes: inout ByteBuffer, _ count: Int) -> Int {
        let taken = min(bytes.readableBytes, count)
        bytes.moveReaderIndex(forwardBy: taken)
        return taken
    }
}
