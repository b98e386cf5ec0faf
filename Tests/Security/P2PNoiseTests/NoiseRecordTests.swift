import Crypto
import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PPipeline
import Testing

@testable import P2PNoise

/// The records behind the handshake.
@Suite struct NoiseRecordTests {
    private let hosts: Hosts
    private let identity: NoiseIdentity

    init() async throws {
        self.hosts = try await Hosts.make()
        self.identity = try await NoiseIdentity.make(identity: try PrivateKey.generate(.ed25519), metadata: [])
    }

    @Test("The layout is 2 bytes before, 16 behind, and 65,519 between")
    func layout() throws {
        let (dialer, _) = try self.hosts.connected()
        #expect(try dialer.secured.records.layout == RecordLayout(headroom: 2, tailroom: 16, maximumPayload: 65_519))
    }

    @Test("A record that a muxer writes arrives whole", arguments: [1, 3, 1_000, 65_519])
    func inPlace(count: Int) throws {
        let (dialer, listener) = try self.hosts.connected()
        let records = try dialer.secured.records
        var record = ByteBufferAllocator().buffer(capacity: 2 + count + 16)
        record.moveWriterIndex(to: 2)
        record.moveReaderIndex(to: 2)
        record.writeRepeatingByte(0x5A, count: count)
        records.write(record, promise: nil)
        records.flush()
        let sealed = try #require(try dialer.channel.readOutbound(as: ByteBuffer.self))
        #expect(sealed.readableBytes == 2 + count + 16)
        listener.receive(Array(sealed.readableBytesView))
        #expect(listener.received.map(\.readableBytes) == [count])
        #expect(listener.text == [UInt8](repeating: 0x5A, count: count))
    }

    @Test("A record that nobody else holds is not copied")
    func notCopied() throws {
        let (dialer, _) = try self.hosts.connected()
        let records = try dialer.secured.records
        func make(_ place: inout UInt) -> ByteBuffer {
            var record = ByteBufferAllocator().buffer(capacity: 1_042)
            record.moveWriterIndex(to: 2)
            record.moveReaderIndex(to: 2)
            record.writeRepeatingByte(0x5A, count: 1_024)
            place = record.withVeryUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
            return record
        }
        var place: UInt = 0
        records.write(make(&place), promise: nil)
        records.flush()
        let sealed = try #require(try dialer.channel.readOutbound(as: ByteBuffer.self))
        #expect(sealed.withVeryUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == place)
    }

    @Test("A record without room around it, or one that is shared, is copied and the original left alone")
    func copied() throws {
        let (dialer, listener) = try self.hosts.connected()
        let records = try dialer.secured.records
        let bare = ByteBuffer(bytes: [1, 2, 3])
        records.write(bare, promise: nil)
        var roomy = ByteBufferAllocator().buffer(capacity: 64)
        roomy.writeBytes([0, 0, 4, 5])
        roomy.moveReaderIndex(to: 2)
        records.write(roomy, promise: nil)
        records.flush()
        try pump(dialer, listener)
        #expect(listener.text == [1, 2, 3, 4, 5])
        #expect(Array(bare.readableBytesView) == [1, 2, 3])
        #expect(Array(roomy.readableBytesView) == [4, 5])
    }

    @Test("What is written through the pipeline is cut into records of at most 65,519 bytes")
    func cut() throws {
        let (dialer, listener) = try self.hosts.connected()
        let bytes = (0..<(2 * 65_519 + 1)).map { UInt8(truncatingIfNeeded: $0 / 251) }
        let written = dialer.channel.writeAndFlush(ByteBuffer(bytes: bytes))
        try pump(dialer, listener)
        try written.wait()
        #expect(listener.received.map(\.readableBytes) == [65_519, 65_519, 1])
        #expect(listener.text == bytes)
    }

    @Test("An empty write sends no record and succeeds")
    func emptyWrite() throws {
        let (dialer, _) = try self.hosts.connected()
        try dialer.channel.writeAndFlush(ByteBuffer()).wait()
        #expect(try dialer.sent() == [])
    }

    @Test("A record that is too large fails its promise and the connection")
    func tooLarge() throws {
        let (dialer, _) = try self.hosts.connected()
        let promise = dialer.channel.eventLoop.makePromise(of: Void.self)
        try dialer.secured.records.write(ByteBuffer(repeating: 0, count: 65_520), promise: promise)
        #expect(throws: NoiseError(.messageTooLong, "")) { try promise.futureResult.wait() }
        #expect(!dialer.channel.isActive)
    }

    @Test("A stream of records survives any cutting into reads", arguments: [1, 2, 3, 17, 18, 19, 4_096, 65_536])
    func reads(step: Int) throws {
        let (dialer, listener) = try self.hosts.connected()
        var expected: [Int] = []
        for count in [1, 2, 100, 3_000, 65_519, 5] {
            try dialer.say([UInt8](repeating: UInt8(truncatingIfNeeded: count), count: count))
            expected.append(count)
        }
        try pump(dialer, listener, step: step)
        #expect(listener.received.map(\.readableBytes) == expected)
        #expect(listener.errors.isEmpty)
    }

    @Test("Every flipped bit of a short record ends the connection, and nothing of it is passed on")
    func flipped() throws {
        for bit in 0..<(8 * 21) {
            let (dialer, listener) = try self.hosts.connected()
            try dialer.say([1, 2, 3])
            var record = try dialer.sent()
            #expect(record.count == 21)
            record[bit / 8] ^= 1 << UInt8(bit % 8)
            listener.receive(record)
            if bit < 16 { listener.end() }  // A longer length waits for more; a shorter one fails by itself.
            #expect(listener.received.isEmpty, "bit \(bit)")
            let codes: [NoiseError.Code] = bit < 16 ? [.truncated, .authenticationFailed, .messageTooShort] : [.authenticationFailed]
            #expect(listener.noiseError.map { codes.contains($0.code) } == true, "bit \(bit)")
            #expect(!listener.channel.isActive)
        }
    }

    @Test("Records shorter than their tag are refused", arguments: [0, 1, 15])
    func short(length: Int) throws {
        let (_, listener) = try self.hosts.connected()
        listener.receive([0, UInt8(length)])
        #expect(listener.noiseError?.code == .messageTooShort)
        #expect(listener.noiseError?.message == "a record of \(length) bytes has no room for its tag of 16")
        #expect(!listener.channel.isActive)
        #expect(listener.log == ["secured", "inactive"])
    }

    @Test("A record without plaintext is legal and says nothing")
    func empty() throws {
        let (dialer, listener) = try self.hosts.connected()
        try dialer.secured.records.write(ByteBuffer(), promise: nil)
        try dialer.say([7])
        let bytes = try dialer.sent()
        #expect(bytes.count == 18 + 19)
        listener.receive(bytes)
        #expect(listener.received.map(\.readableBytes) == [1])
        #expect(listener.errors.isEmpty)
    }

    @Test("A replayed, swapped or dropped record is refused")
    func order() throws {
        for order in [[0, 0], [1, 0], [1]] {
            let (dialer, listener) = try self.hosts.connected()
            try dialer.say([1])
            let first = try dialer.sent()
            try dialer.say([2])
            let second = try dialer.sent()
            for index in order { listener.receive([first, second][index]) }
            #expect(listener.noiseError?.code == .authenticationFailed, "\(order)")
            #expect(listener.text == (order[0] == 0 ? [1] : []))
        }
    }

    @Test("A record sent back to its sender is refused")
    func reflected() throws {
        let (dialer, _) = try self.hosts.connected()
        try dialer.say([1])
        dialer.receive(try dialer.sent())
        #expect(dialer.noiseError?.code == .authenticationFailed)
    }

    @Test("After an error whatever follows is dropped")
    func afterwards() throws {
        let (dialer, listener) = try self.hosts.connected()
        try dialer.say([1])
        let record = try dialer.sent()
        listener.receive([0, 0] + record)
        listener.receive(record)
        #expect(listener.received.isEmpty)
        #expect(listener.log == ["secured", "inactive"])
        let write = listener.channel.writeAndFlush(ByteBuffer(bytes: [1]))
        #expect(throws: (any Error).self) { try write.wait() }
    }

    @Test("The largest length and then the end is an error that says how far it came")
    func stalled() throws {
        let (_, listener) = try self.hosts.connected()
        listener.receive([0xff, 0xff])
        listener.receive([1, 2, 3])
        #expect(listener.received.isEmpty && listener.errors.isEmpty)
        listener.end()
        #expect(listener.noiseError?.code == .truncated)
        #expect(listener.noiseError?.message == "the connection ended after 3 of 65535 bytes of a record")
    }

    @Test("A record of which a part has come says what it takes, until it is whole")
    func partial() throws {
        let (dialer, listener) = try self.hosts.connected()
        let records = try listener.secured.records
        #expect(records.partialRecord == 0)
        try dialer.say([UInt8](repeating: 1, count: 60_000))
        let record = try dialer.sent()
        listener.receive(Array(record.prefix(2)))
        #expect(records.partialRecord == 2_048, "it takes what has come, and not what was announced")
        listener.receive(Array(record[2..<9_000]))
        #expect(records.partialRecord == 16_384)
        listener.receive(Array(record.dropFirst(9_000).dropLast()))
        #expect(records.partialRecord == 65_536 && listener.received.isEmpty)
        listener.receive([record[record.count - 1]])
        #expect(records.partialRecord == 0 && listener.text.count == 60_000)
    }

    @Test("An end within the length or the tag of a record is an error, an end between records is none")
    func ends() throws {
        for length in 0...21 {
            let (dialer, listener) = try self.hosts.connected()
            try dialer.say([1, 2, 3])
            listener.receive(Array(try dialer.sent().prefix(length)))
            listener.end()
            #expect((listener.noiseError?.code == .truncated) == (1...20 ~= length), "\(length) bytes")
            #expect(listener.log.last == "inactive")
        }
    }

    @Test("With half-closure, an end of input within a record closes the channel, and one between records doesn't")
    func halfClosed() throws {
        let (_, calm) = try self.hosts.connected()
        calm.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(calm.channel.isActive && calm.errors.isEmpty)
        try calm.say([1])
        #expect(try calm.sent().count == 19)

        let (_, cut) = try self.hosts.connected()
        cut.receive([0])
        cut.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(cut.noiseError?.message == "the connection ended within the length of a record")
        #expect(!cut.channel.isActive)
    }

    @Test("The connection ends before a nonce repeats, in either direction")
    func nonces() throws {
        let key = SymmetricKey(size: .bits256)
        func side() throws -> EmbeddedChannel {
            let session = NoiseSession(
                role: .dialer, identity: self.identity, opener: RecordOpener(state: try CipherState(key: key, nextNonce: .max - 2)),
                sealer: RecordSealer(state: try CipherState(key: key, nextNonce: .max - 2)))
            let channel = EmbeddedChannel(handler: NoiseHandler(session: session, promise: nil))
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            return channel
        }
        let sender = try side()
        try sender.writeOutbound(ByteBuffer(bytes: [1]))
        try sender.writeOutbound(ByteBuffer(bytes: [2]))
        #expect(throws: NoiseError(.nonceExhausted, "")) { try sender.writeOutbound(ByteBuffer(bytes: [3])) }
        #expect(!sender.isActive)

        let receiver = try side()
        while let record = try sender.readOutbound(as: ByteBuffer.self) { try receiver.writeInbound(record) }
        #expect(try receiver.readInbound(as: ByteBuffer.self) == ByteBuffer(bytes: [1]))
        #expect(try receiver.readInbound(as: ByteBuffer.self) == ByteBuffer(bytes: [2]))
        #expect(throws: NoiseError(.nonceExhausted, "")) {
            try receiver.writeInbound(ByteBuffer(bytes: [0, 17] + [UInt8](repeating: 0, count: 17)))
        }
        #expect(!receiver.isActive)
    }

    @Test("A read that completes no record asks for the next one")
    func asksAgain() throws {
        final class Reads: ChannelOutboundHandler {
            typealias OutboundIn = ByteBuffer
            var count = 0
            func read(context: ChannelHandlerContext) {
                self.count += 1
                context.read()
            }
        }
        let (dialer, listener) = try self.hosts.connected()
        try dialer.say([1, 2, 3])
        let record = try dialer.sent()
        let reads = Reads()
        try listener.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        listener.receive(Array(record.prefix(5)))
        #expect(reads.count == 1)
        listener.receive(Array(record.dropFirst(5)))
        #expect(reads.count == 1)
    }

    @Test("Arbitrary bytes after an arbitrary part of a conversation never trap and never get through")
    func noise() throws {
        var random = SystemRandomNumberGenerator()
        for round in 0..<200 {
            let listener = try Side(self.hosts.listener, .listener)
            let dialer = try Side(self.hosts.dialer, .dialer)
            if round % 3 > 0 { listener.receive(try dialer.sent()) }
            if round % 3 > 1 {
                dialer.receive(try listener.sent())
                listener.receive(try dialer.sent())
            }
            for _ in 0..<20 {
                listener.receive((0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
            }
            listener.end()
            #expect(listener.received.isEmpty)
            #expect(listener.result != nil)
        }
    }
}
