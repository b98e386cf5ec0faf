import NIOCore
import Testing

@testable import P2PYamux

@Suite("Yamux frames")
struct YamuxHeaderTests {
    static let limit: UInt32 = 1 << 24

    func bytes(_ version: UInt8, _ type: UInt8, _ flags: UInt16, _ id: UInt32, _ length: UInt32) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(version, type, flags, id, length)
        return buffer
    }

    func read(_ buffer: ByteBuffer) throws(YamuxViolation) -> YamuxFrameReader.Part? {
        var reader = YamuxFrameReader(maximumFrameLength: Self.limit)
        var buffer = buffer
        return try reader.next(from: &buffer)
    }

    @Test("A header is twelve big-endian bytes: version, type, flags, stream id, length")
    func layout() {
        var buffer = ByteBuffer()
        buffer.writeYamuxHeader(YamuxHeader(type: .windowUpdate, flags: [.syn, .rst], streamID: 0x0102_0304, length: 0xA0B0_C0D0))
        #expect(Array(buffer.readableBytesView) == [0, 1, 0, 9, 1, 2, 3, 4, 0xA0, 0xB0, 0xC0, 0xD0])
    }

    @Test("Setting a header in place writes the same bytes as appending it")
    func setInPlace() {
        let header = YamuxHeader(type: .data, flags: .fin, streamID: 7, length: 99)
        var appended = ByteBuffer()
        appended.writeYamuxHeader(header)
        var set = ByteBuffer(repeating: 0xFF, count: 12)
        set.setYamuxHeader(header, at: 0)
        #expect(set == appended)
    }

    @Test("Every valid type and flag combination survives a round trip")
    func roundTrip() throws {
        for flags in UInt16(0)...0xF {
            for type in [YamuxFrameType.data, .windowUpdate] {
                let header = YamuxHeader(type: type, flags: YamuxFlags(rawValue: flags), streamID: .max, length: type == .data ? 5 : .max)
                var buffer = ByteBuffer()
                buffer.writeYamuxHeader(header)
                #expect(try self.read(buffer) == .header(header))
            }
        }
        for header in [
            YamuxHeader(type: .ping, flags: .syn, streamID: 0, length: .max),
            YamuxHeader(type: .ping, flags: .ack, streamID: 0, length: 0),
            YamuxHeader(type: .goAway, flags: [], streamID: 0, length: 2),
        ] {
            var buffer = ByteBuffer()
            buffer.writeYamuxHeader(header)
            #expect(try self.read(buffer) == .header(header))
        }
    }

    @Test("Every version but 0 is refused")
    func versions() {
        for version in UInt8(1)...255 {
            #expect(throws: YamuxViolation.version(version)) { try self.read(self.bytes(version, 0, 0, 1, 0)) }
        }
    }

    @Test("Every type above 3 is refused")
    func types() {
        for type in UInt8(4)...255 {
            #expect(throws: YamuxViolation.type(type)) { try self.read(self.bytes(0, type, 0, 1, 0)) }
        }
    }

    @Test("Every flag bit without meaning is refused, on every type")
    func flags() {
        for type in UInt8(0)...3 {
            for bit in 4..<16 {
                let flags = UInt16(1) << bit
                #expect(throws: YamuxViolation.flags(flags)) { try self.read(self.bytes(0, type, flags, 0, 0)) }
            }
        }
    }

    @Test("A ping is a question or an answer, never both or neither", arguments: [0, 3, 4, 5, 8, 15] as [UInt16])
    func pingFlags(flags: UInt16) {
        #expect(throws: YamuxViolation.flags(flags)) { try self.read(self.bytes(0, 2, flags, 0, 0)) }
    }

    @Test("A go away carries no flags", arguments: 1...15 as ClosedRange<UInt16>)
    func goAwayFlags(flags: UInt16) {
        #expect(throws: YamuxViolation.flags(flags)) { try self.read(self.bytes(0, 3, flags, 0, 0)) }
    }

    @Test("A data frame may be as long as the limit, and not one byte longer")
    func frameLength() throws {
        let header = YamuxHeader(type: .data, flags: [], streamID: 1, length: Self.limit)
        #expect(try self.read(self.bytes(0, 0, 0, 1, Self.limit)) == .header(header))
        #expect(throws: YamuxViolation.frameTooLong(Self.limit + 1)) { try self.read(self.bytes(0, 0, 0, 1, Self.limit + 1)) }
        #expect(throws: YamuxViolation.frameTooLong(.max)) { try self.read(self.bytes(0, 0, 0, 1, .max)) }
    }

    /// Two data frames and a window update, as they would be on the wire.
    var conversation: (bytes: ByteBuffer, headers: [YamuxHeader], body: [UInt8]) {
        let headers = [
            YamuxHeader(type: .data, flags: .syn, streamID: 1, length: 5),
            YamuxHeader(type: .windowUpdate, flags: [], streamID: 1, length: 77),
            YamuxHeader(type: .data, flags: .fin, streamID: 1, length: 3),
        ]
        var buffer = ByteBuffer()
        buffer.writeYamuxHeader(headers[0])
        buffer.writeBytes([1, 2, 3, 4, 5])
        buffer.writeYamuxHeader(headers[1])
        buffer.writeYamuxHeader(headers[2])
        buffer.writeBytes([6, 7, 8])
        return (buffer, headers, [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test("Frames are the same however the byte stream is cut", arguments: 1...44)
    func cuts(size: Int) throws {
        var (bytes, headers, body) = self.conversation
        var reader = YamuxFrameReader(maximumFrameLength: Self.limit)
        var seenHeaders: [YamuxHeader] = []
        var seenBody: [UInt8] = []
        while bytes.readableBytes > 0 {
            var piece = bytes.readSlice(length: min(size, bytes.readableBytes)) ?? ByteBuffer()
            while let part = try reader.next(from: &piece) {
                switch part {
                case .header(let header): seenHeaders.append(header)
                case .body(let piece):
                    #expect(piece.readableBytes > 0)
                    seenBody += piece.readableBytesView
                }
            }
            #expect(piece.readableBytes == 0)
        }
        #expect(seenHeaders == headers)
        #expect(seenBody == body)
        #expect(reader.isAtBoundary)
    }

    @Test("A header split at each offset is read once, when its last byte arrives", arguments: 1...11)
    func splitHeader(offset: Int) throws {
        var reader = YamuxFrameReader(maximumFrameLength: Self.limit)
        let header = YamuxHeader(type: .windowUpdate, flags: .ack, streamID: 0xFEDC_BA98, length: 0x7654_3210)
        var buffer = ByteBuffer()
        buffer.writeYamuxHeader(header)
        var first = buffer.readSlice(length: offset) ?? ByteBuffer()
        #expect(try reader.next(from: &first) == nil)
        #expect(!reader.isAtBoundary)
        #expect(try reader.next(from: &buffer) == .header(header))
        #expect(reader.isAtBoundary)
    }

    @Test("A body is a slice of the record it came in")
    func bodyIsSlice() throws {
        var reader = YamuxFrameReader(maximumFrameLength: Self.limit)
        var record = self.conversation.bytes
        _ = try reader.next(from: &record)
        guard case .body(let piece) = try reader.next(from: &record) else {
            Issue.record("no body")
            return
        }
        let shared = record.withVeryUnsafeBytes { $0.baseAddress }
        #expect(
            piece.withVeryUnsafeBytes { $0.baseAddress.map { $0 } } == shared.map { $0 + 12 }
                || piece.storageCapacity == record.storageCapacity)
    }
}
