import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PMuxing
import P2PPipeline
import Testing

@testable import P2PYamux

/// Checks what a muxer promises of a record, and writes its plaintext to the channel.
final class PlainRecordWriter: RecordWriter {
    let layout = RecordLayout(headroom: 2, tailroom: 16, maximumPayload: 65_519)
    private let channel: EmbeddedChannel
    private(set) var records = 0
    private(set) var flushes = 0

    init(_ channel: EmbeddedChannel) { self.channel = channel }

    func write(_ record: consuming ByteBuffer, promise: EventLoopPromise<Void>?) {
        #expect(record.readerIndex >= self.layout.headroom)
        #expect(record.writableBytes >= self.layout.tailroom)
        #expect(record.readableBytes > 0 && record.readableBytes <= self.layout.maximumPayload)
        #expect(record.capacity <= 65_536)
        self.records += 1
        self.channel.write(record, promise: promise)
    }

    func flush() {
        self.flushes += 1
        self.channel.flush()
    }
}

/// One end of a yamux connection on an embedded channel, driven from one thread.
final class YamuxTestChannel {
    static let identities = Result {
        try (PrivateKey.generate(.ed25519).publicKey, PrivateKey.generate(.ed25519).publicKey)
    }

    let channel = EmbeddedChannel()
    let connection: any MuxedConnection
    let writer: PlainRecordWriter
    let budget = MemoryBudget(limit: 64 << 20)

    init(_ role: ConnectionRole, _ configuration: YamuxConfiguration = YamuxConfiguration()) throws {
        let (local, remote) = try Self.identities.get()
        let info = ConnectionInfo(
            role: role, localPeer: PeerID(local), remotePeer: PeerID(remote), remoteKey: remote, localAddress: .empty,
            remoteAddress: .empty, security: "/noise", muxer: "/yamux/1.0.0")
        self.channel.embeddedEventLoop.advanceTime(by: .hours(1))
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        self.writer = PlainRecordWriter(self.channel)
        self.connection = try Yamux(configuration: configuration).multiplex(
            self.channel, records: self.writer, info: info,
            context: MuxerContext(executor: EventLoopTaskExecutor(self.channel.eventLoop), windowBudget: self.budget))
    }

    var core: MuxerConnection? { self.connection as? MuxerConnection }
    var handler: YamuxHandler? { self.core?.handler as? YamuxHandler }

    /// Opens a stream; the handle keeps it alive.
    func open() throws -> PeerStream {
        let core = try #require(self.core)
        return try core.makeStream()
    }

    /// Runs what is scheduled and returns everything that was written.
    func output() throws -> ByteBuffer {
        self.channel.embeddedEventLoop.run()
        var bytes = ByteBuffer()
        while var piece = try self.channel.readOutbound(as: ByteBuffer.self) { bytes.writeBuffer(&piece) }
        return bytes
    }

    /// The frames that were written, with their bodies.
    func frames() throws -> [Frame] {
        var bytes = try self.output()
        var reader = YamuxFrameReader(maximumFrameLength: 1 << 24)
        var frames: [Frame] = []
        while let part = try reader.next(from: &bytes) {
            switch part {
            case .header(let header): frames.append(Frame(header: header, body: ""))
            case .body(let piece): frames[frames.count - 1].body += String(buffer: piece)
            }
        }
        #expect(reader.isAtBoundary)
        return frames
    }

    struct Frame: Equatable {
        var header: YamuxHeader
        var body: String

        init(header: YamuxHeader, body: String) {
            self.header = header
            self.body = body
        }

        init(_ type: YamuxFrameType, _ flags: YamuxFlags, _ id: UInt32, _ body: String = "", length: UInt32? = nil) {
            self.header = YamuxHeader(type: type, flags: flags, streamID: id, length: length ?? UInt32(body.utf8.count))
            self.body = body
        }

        var bytes: ByteBuffer {
            var buffer = ByteBuffer()
            buffer.writeYamuxHeader(self.header)
            buffer.writeString(self.body)
            return buffer
        }
    }

    /// Records arrive, cut into pieces of at most `piece` bytes.
    func input(_ bytes: ByteBuffer, piece: Int = .max) throws {
        var bytes = bytes
        while bytes.readableBytes > 0, self.channel.isActive {
            try self.channel.writeInbound(bytes.readSlice(length: min(piece, bytes.readableBytes)))
        }
        self.channel.embeddedEventLoop.run()
    }

    func input(_ frames: Frame..., piece: Int = .max) throws {
        var bytes = ByteBuffer()
        for frame in frames { bytes.writeImmutableBuffer(frame.bytes) }
        try self.input(bytes, piece: piece)
    }

    /// Streams of the peer that wait to be accepted.
    func accepted() -> [PeerStream] { self.core?.backlog.takeAll() ?? [] }
}

extension PeerStream {
    /// What one read returns now: text, "" for the end, nil when it would wait.
    func readNow(upTo limit: Int = .max) throws -> String? {
        switch self.muxed.tryRead(upTo: limit) {
        case .bytes(let bytes): return String(buffer: bytes)
        case .end: return ""
        case .wait: return nil
        case .failed(let error): throw error
        }
    }

    func writeNow(_ text: String) throws {
        if case .failed(let error) = self.muxed.tryWrite(ByteBuffer(string: text)) { throw error }
    }

    func finishNow() throws {
        if case .failed(let error) = self.muxed.tryFinish() { throw error }
    }
}

/// Two ends whose records reach each other.
final class YamuxTestPair {
    let dialer: YamuxTestChannel
    let listener: YamuxTestChannel
    private let piece: Int

    init(piece: Int = .max, _ configuration: YamuxConfiguration = YamuxConfiguration()) throws {
        self.piece = piece
        self.dialer = try YamuxTestChannel(.dialer, configuration)
        self.listener = try YamuxTestChannel(.listener, configuration)
    }

    /// Carries everything both ways until nothing moves.
    func settle() throws {
        while true {
            let forth = try self.dialer.output()
            let back = try self.listener.output()
            if forth.readableBytes == 0, back.readableBytes == 0 { return }
            try self.listener.input(forth, piece: self.piece)
            try self.dialer.input(back, piece: self.piece)
        }
    }
}
