import NIOCore
import P2PMultiformats
import Testing

@testable import P2PMplex

@Suite("Mplex frames")
struct MplexFrameTests {
    private static func read(_ bytes: [UInt8], piece: Int = .max) throws -> (headers: [MplexHeader], bodies: [[UInt8]], isWhole: Bool) {
        var reader = MplexFrameReader()
        var rest = ByteBuffer(bytes: bytes)
        var headers: [MplexHeader] = []
        var bodies: [[UInt8]] = []
        while rest.readableBytes > 0, var part = rest.readSlice(length: min(piece, rest.readableBytes)) {
            while let next = try reader.next(from: &part) {
                switch next {
                case .header(let header):
                    headers.append(header)
                    bodies.append([])
                case .body(let body): bodies[bodies.count - 1] += body.readableBytesView
                }
            }
            #expect(part.readableBytes == 0)
        }
        return (headers, bodies, reader.isAtBoundary)
    }

    @Test(
        "Headers are the bytes of the spec",
        arguments: [
            (MplexHeader(.newStream, 0, length: 1), [UInt8](arrayLiteral: 0x00, 0x01)),
            (MplexHeader(.messageReceiver, 0, length: 0), [0x01, 0x00]), (MplexHeader(.messageInitiator, 1, length: 5), [0x0a, 0x05]),
            (MplexHeader(.closeReceiver, 17), [0x8b, 0x01, 0x00]), (MplexHeader(.closeInitiator, 2), [0x14, 0x00]),
            (MplexHeader(.resetReceiver, 3), [0x1d, 0x00]), (MplexHeader(.resetInitiator, 4), [0x26, 0x00]),
            (MplexHeader(.messageInitiator, 16, length: 300), [0x82, 0x01, 0xac, 0x02]),
            (
                MplexHeader(.messageInitiator, MplexStreamID.maximumNumber, length: 1 << 20),
                [0xfa, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x80, 0x80, 0x40]
            ),
        ])
    func headers(header: MplexHeader, bytes: [UInt8]) throws {
        var buffer = ByteBuffer()
        buffer.writeMplexHeader(header)
        #expect(Array(buffer.readableBytesView) == bytes)
        #expect(try Self.read(bytes).headers == [header])
    }

    @Test("A frame is the same however it is cut", arguments: Array(1...14))
    func split(piece: Int) throws {
        var buffer = ByteBuffer()
        buffer.writeMplexHeader(MplexHeader(.newStream, 1_000_000, length: 7))
        buffer.writeString("1000000")
        buffer.writeMplexHeader(MplexHeader(.messageInitiator, 1_000_000, length: 200))
        buffer.writeRepeatingByte(9, count: 200)
        buffer.writeMplexHeader(MplexHeader(.closeInitiator, 1_000_000))
        let (headers, bodies, isWhole) = try Self.read(Array(buffer.readableBytesView), piece: piece)
        #expect(headers.map(\.flag) == [.newStream, .messageInitiator, .closeInitiator])
        #expect(bodies == [Array("1000000".utf8), [UInt8](repeating: 9, count: 200), []])
        #expect(isWhole)
    }

    @Test("A header split at each offset waits for its rest")
    func headerSplit() throws {
        var buffer = ByteBuffer()
        buffer.writeMplexHeader(MplexHeader(.messageReceiver, 123_456_789, length: 70_000))
        let bytes = Array(buffer.readableBytesView)
        for offset in 1..<bytes.count {
            var reader = MplexFrameReader()
            var (head, tail) = (ByteBuffer(bytes: bytes.prefix(offset)), ByteBuffer(bytes: bytes.dropFirst(offset)))
            #expect(try reader.next(from: &head) == nil)
            #expect(!reader.isAtBoundary)
            #expect(try reader.next(from: &tail) == .header(MplexHeader(.messageReceiver, 123_456_789, length: 70_000)))
        }
    }

    @Test(
        "What is out of range ends the connection, with the reason",
        arguments: [
            ([UInt8](arrayLiteral: 0x07, 0x00), MplexViolation.flag(7)), ([0xff, 0xff, 0x7f, 0x00], .flag(7)),
            ([0x02, 0x81, 0x80, 0x40], .frameTooLong((1 << 20) + 1)),
            ([0x00] + UnsignedVarint.encode(UnsignedVarint.maxValue), .frameTooLong(UnsignedVarint.maxValue)),
            ([0x04, 0x01], .unexpectedBody(MplexHeader(.closeInitiator, 0, length: 1))),
            ([0x0d, 0x05], .unexpectedBody(MplexHeader(.resetReceiver, 1, length: 5))),
        ])
    func violations(bytes: [UInt8], violation: MplexViolation) {
        for piece in [1, .max] { #expect(throws: violation) { try Self.read(bytes, piece: piece) } }
    }

    @Test(
        "A varint of ten bytes, or with a shorter spelling, ends the connection",
        arguments: [
            ([UInt8](repeating: 0x80, count: 9) + [0x01], MultiformatsError.Code.tooLong), ([0x80, 0x00], .notCanonical),
            ([0x02, 0x80, 0x00], .notCanonical), ([0x02] + [UInt8](repeating: 0xff, count: 9), .tooLong),
        ])
    func varints(bytes: [UInt8], code: MultiformatsError.Code) {
        let error = #expect(throws: MplexViolation.self) { try Self.read(bytes) }
        guard case .varint(let cause)? = error else {
            Issue.record("not a varint: \(String(describing: error))")
            return
        }
        #expect(cause.code == code)
    }

    @Test("A frame of exactly 1 MiB is fine, and nothing of it is held back")
    func longest() throws {
        var reader = MplexFrameReader()
        var bytes = ByteBuffer()
        bytes.writeMplexHeader(MplexHeader(.messageInitiator, 0, length: 1 << 20))
        bytes.writeRepeatingByte(1, count: 1_000)
        #expect(try reader.next(from: &bytes) == .header(MplexHeader(.messageInitiator, 0, length: 1 << 20)))
        #expect(try reader.next(from: &bytes) == .body(ByteBuffer(repeating: 1, count: 1_000)))
        #expect(try reader.next(from: &bytes) == nil)
        #expect(!reader.isAtBoundary)
    }

    @Test("Streams that differ in number or side differ as one number, and both sides' names for one stream differ in the side alone")
    func rawValues() {
        let numbers = [0, 1, 2, MplexStreamID.maximumNumber]
        let values = numbers.flatMap { number in [true, false].map { MplexStreamID(number, isOurs: $0).rawValue } }
        #expect(Set(values).count == values.count)
        for number in numbers {
            #expect(MplexStreamID(number, isOurs: true).rawValue ^ MplexStreamID(number, isOurs: false).rawValue == 0b10)
        }
    }
}
