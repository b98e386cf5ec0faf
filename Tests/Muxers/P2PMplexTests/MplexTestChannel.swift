import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PMuxing
import P2PPipeline
import Testing

@testable import P2PMplex

/// Checks what a muxer promises of a record, and writes its plaintext to the channel.
final class PlainRecordWriter: RecordWriter {
    let layout = RecordLayout(headroom: 2, tailroom: 16, maximumPayload: 65_519)
    private let channel: EmbeddedChannel
    private(set) var records = 0

    init(_ channel: EmbeddedChannel) { self.channel = channel }

    func write(_ record: consuming ByteBuffer, promise: EventLoopPromise<Void>?) {
        #expect(record.readerIndex >= self.layout.headroom)
        #expect(record.writableBytes >= self.layout.tailroom)
        #expect(record.readableBytes > 0 && record.readableBytes <= self.layout.maximumPayload)
        #expect(record.capacity <= 65_536)
        self.records += 1
        self.channel.write(record, promise: promise)
    }

    func flush() { self.channel.flush() }
}

/// Counts how often the channel was asked to read.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private(set) var count = 0

    func read(context: ChannelHandlerContext) {
        self.count += 1
        context.read()
    }
}

/// One end of an mplex connection on an embedded channel, driven from one thread.
final class MplexTestChannel {
    struct Frame: Equatable {
        var flag: MplexFlag
        var number: UInt64
        var body: String

        init(_ flag: MplexFlag, _ number: UInt64, _ body: String = "") {
            self.flag = flag
            self.number = number
            self.body = body
        }

        var bytes: ByteBuffer {
            var buffer = ByteBuffer()
            buffer.writeMplexHeader(MplexHeader(self.flag, self.number, length: self.body.utf8.count))
            buffer.writeString(self.body)
            return buffer
        }
    }

    private static let identities = Result {
        try (PrivateKey.generate(.ed25519).publicKey, PrivateKey.generate(.ed25519).publicKey)
    }

    let channel = EmbeddedChannel()
    let connection: any MuxedConnection
    let writer: PlainRecordWriter
    let reads = ReadCounter()

    init(_ role: ConnectionRole = .dialer, _ configuration: MplexConfiguration = MplexConfiguration()) throws {
        let (local, remote) = try Self.identities.get()
        let info = ConnectionInfo(
            role: role, localPeer: PeerID(local), remotePeer: PeerID(remote), remoteKey: remote, localAddress: .empty,
            remoteAddress: .empty, security: "/noise", muxer: "/mplex/6.7.0")
        self.channel.embeddedEventLoop.advanceTime(by: .hours(1))
        try self.channel.pipeline.syncOperations.addHandler(self.reads)
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        self.writer = PlainRecordWriter(self.channel)
        self.connection = try Mplex(configuration: configuration).multiplex(
            self.channel, records: self.writer, info: info,
            context: MuxerContext(executor: EventLoopTaskExecutor(self.channel.eventLoop), windowBudget: MemoryBudget(limit: 1 << 20)))
    }

    var core: MuxerConnection? { self.connection as? MuxerConnection }

    /// Opens a stream; the handle keeps it alive.
    func open() throws -> PeerStream { try #require(self.core).makeStream() }

    /// Streams of the peer that wait to be accepted.
    func accepted() -> [PeerStream] { self.core?.backlog.takeAll() ?? [] }

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
        var reader = MplexFrameReader()
        var frames: [Frame] = []
        while let part = try reader.next(from: &bytes) {
            switch part {
            case .header(let header): frames.append(Frame(header.flag, header.number))
            case .body(let piece): frames[frames.count - 1].body += String(buffer: piece)
            }
        }
        #expect(reader.isAtBoundary)
        return frames
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

    /// So many bytes of a message of the peer's stream arrive.
    func input(_ number: UInt64, count: Int) throws {
        let chunk = String(repeating: "x", count: 64 * 1024)
        for _ in 0..<(count / chunk.utf8.count) { try self.input(Frame(.messageInitiator, number, chunk)) }
    }

    /// Why the connection ended.
    var ending: ConnectionError? {
        do throws(ConnectionError) {
            _ = try self.core?.makeStream()
            return nil
        } catch {
            return error
        }
    }
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

    /// Reads and drops everything that waits.
    func drainNow() throws -> Int {
        var count = 0
        while let text = try self.readNow(), !text.isEmpty { count += text.utf8.count }
        return count
    }

    func writeNow(_ text: String) throws {
        if case .failed(let error) = self.muxed.tryWrite(ByteBuffer(string: text)) { throw error }
    }

    func finishNow() throws {
        if case .failed(let error) = self.muxed.tryFinish() { throw error }
    }
}
